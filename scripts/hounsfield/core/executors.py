"""Work on chunks of files in a pool of processes, on this machine or on a Dask cluster.

A decoder that dies or hangs takes its process with it. The chunks that were under way are then done again, file by
file in a process of their own, so that it costs the one file and not the run.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from typing import TypeVar

from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor

from hounsfield.core.errors import MissingInput, WrongUse

FileT = TypeVar("FileT")
ResultT = TypeVar("ResultT")
Work = Callable[[Sequence[FileT]], ResultT]

# glibc gives memory back after every slice and asks for it again with the next; keeping it doubles a worker's rate
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(128 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20)}
CHUNKS_A_WORKER = 2  # waiting or under way; more would only be done twice after a death


@contextmanager
def file_time_limit(seconds: float) -> Iterator[None]:
    """End this worker process when the work inside takes longer: a C decoder that hangs listens to nothing else.

    SIGALRM's default action ends the process; the pool notices, and the file is refused.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def open_executor(jobs: int | None, dask_scheduler: str | None) -> Iterator[tuple[Executor, int]]:
    """A pool of processes and the number of its workers. jobs: None is one for each core."""
    if dask_scheduler is None:
        workers = jobs or cpu_count()
        with ProcessPoolExecutor(workers, env=KEEP_MEMORY) as pool:
            yield pool, workers
        return
    from distributed import Client  # optional: only who names a scheduler needs it

    try:
        client = Client(dask_scheduler, timeout="30s")
    except OSError as error:
        raise MissingInput(
            f"no Dask scheduler answers at {dask_scheduler}: start it, or leave out the option"
        ) from error
    with client:
        if max(client.nthreads().values(), default=1) > 1:
            raise WrongUse("the Dask workers run several tasks in one process; start them with --nthreads 1")
        workers = max(1, sum(client.nthreads().values()))
        yield client.get_executor(pure=False), workers


def run_chunks(
    work: Work[FileT, ResultT],
    chunks: Sequence[Sequence[FileT]],
    refuse: Callable[[FileT], ResultT],
    *,
    jobs: int | None = None,
    dask_scheduler: str | None = None,
) -> Iterator[ResultT]:
    """Yield the result of `work` for every chunk, in the order in which they are done.

    refuse: makes the result of a file whose processing ended the process. Memory does not grow with the number of
    chunks: a few for each worker are under way at a time.
    """
    waiting = deque(chunks)
    while waiting:
        suspects: list[Sequence[FileT]] = []
        yield from _until_broken(work, waiting, suspects, jobs, dask_scheduler)
        for chunk in suspects:
            yield from _one_by_one(work, chunk, refuse)


def _until_broken(
    work: Work[FileT, ResultT],
    waiting: deque[Sequence[FileT]],
    suspects: list[Sequence[FileT]],
    jobs: int | None,
    dask_scheduler: str | None,
) -> Iterator[ResultT]:
    """Work until all is done or a worker dies; the chunks that were under way then are left in `suspects`."""
    with open_executor(jobs, dask_scheduler) as (pool, workers):
        under_way: dict[Future[ResultT], Sequence[FileT]] = {}
        broken = False
        while not broken:
            while not broken and waiting and len(under_way) < workers * CHUNKS_A_WORKER:
                try:
                    under_way[pool.submit(work, waiting[0])] = waiting[0]
                    waiting.popleft()
                except BrokenExecutor:  # a worker died while the caller was busy with a result
                    broken = True
            if not under_way:
                return
            done, _ = wait(under_way, return_when=ALL_COMPLETED if broken else FIRST_COMPLETED)
            for future in done:
                chunk = under_way.pop(future)
                if _worker_died(future):
                    suspects.append(chunk)
                    broken = True
                else:
                    yield future.result()
        suspects.extend(under_way.values())


def _worker_died(future: Future[ResultT]) -> bool:
    error = future.exception()
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"  # the latter is Dask's


def _one_by_one(
    work: Work[FileT, ResultT], chunk: Sequence[FileT], refuse: Callable[[FileT], ResultT]
) -> Iterator[ResultT]:
    """Work on each file alone, in one process that is replaced when a file ends it."""
    files = iter(chunk)
    finished = False
    while not finished:
        finished = True
        with ProcessPoolExecutor(1, env=KEEP_MEMORY) as pool:
            for file in files:
                future = pool.submit(work, [file])
                if _worker_died(future):
                    yield refuse(file)
                    finished = False
                    break
                yield future.result()
