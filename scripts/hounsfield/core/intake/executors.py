"""Work on chunks of files in a pool of processes, on this machine or on a Dask cluster.

A decoder that dies or hangs takes its process with it. The chunks that were under way are then done again, file by
file in a process of their own, so that it costs the one file and not the run.
"""

from __future__ import annotations

import os
import signal
import site
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.logs import logger

if TYPE_CHECKING:
    from distributed import Client

FileT = TypeVar("FileT")
ResultT = TypeVar("ResultT")
Work = Callable[[Sequence[FileT]], ResultT]

# glibc gives memory back after every image and asks for it again with the next; keeping it doubles a worker's rate
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(128 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20)}
SECONDS_PER_FILE = 20.0  # a decoder that takes longer hangs
CHUNKS_PER_WORKER = 2  # waiting or under way; more would only be done twice after a death
SECONDS_TO_CONNECT = 30.0
SECONDS_ORPHANED = 1.0


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
def open_executor(jobs: int | None, dask_scheduler: str | None) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """A pool of processes, and a function that counts its workers. jobs: None is one for each core."""
    if dask_scheduler is None:
        workers = jobs or cpu_count()
        with _local_pool(workers) as pool:
            yield pool, lambda: workers
        return
    from distributed import Client  # optional: only who names a scheduler needs it

    try:
        client = Client(dask_scheduler, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise MissingInput(
            f"no Dask scheduler answers at {dask_scheduler}: start it, or leave out the option"
        ) from error
    with client:
        _make_importable(client)
        if not client.nthreads():
            logger.info("waiting for the first worker; start some with: dask worker %s --nthreads 1", dask_scheduler)
            client.wait_for_workers(1)
        yield client.get_executor(pure=False), lambda: _count_workers(client)


def _local_pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, initializer=_end_with, initargs=(os.getpid(),), env=KEEP_MEMORY)


def _end_with(program: int) -> None:
    """Let this worker end soon after the program that it works for, however that ended: no orphan stays behind."""

    def watch() -> None:
        while os.getppid() == program:
            time.sleep(SECONDS_ORPHANED)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _make_importable(client: Client) -> None:
    """Let scheduler and workers, those too that join later, import this library from where it lies.

    They read and write the same files, so they see the same folders. Raises WrongUse when they do not.
    """
    library = str(Path(__file__).resolve().parents[3])
    try:
        client.run_on_scheduler(site.addsitedir, library)
        client.register_worker_callbacks(partial(site.addsitedir, library))
        client.run(_do_nothing)  # its name alone is sent
    except ImportError as error:
        raise WrongUse(
            f"the Dask workers cannot import {error.name}; start them where {library} is seen and with the Python that "
            "has the packages of requirements.txt"
        ) from error
    except OSError as error:
        raise MissingInput("a Dask worker went away as the work began; start this stage again: it goes on") from error


def _do_nothing() -> None:
    pass


def _count_workers(client: Client) -> int:
    threads = client.nthreads()
    if max(threads.values(), default=1) > 1:
        raise WrongUse("the Dask workers run several tasks in one process; start them with --nthreads 1")
    return max(1, len(threads))


def run_chunks(
    work: Work[FileT, ResultT],
    chunks: Iterable[Sequence[FileT]],
    refuse: Callable[[FileT], ResultT],
    *,
    jobs: int | None = None,
    dask_scheduler: str | None = None,
) -> Iterator[ResultT]:
    """Yield the result of `work` for every chunk, in the order in which they are done.

    refuse: makes the result of a file whose processing ended the process. Memory does not grow with the number of
    chunks: a few for each worker are under way at a time.
    """
    waiting = iter(chunks)
    while (first := next(waiting, None)) is not None:
        waiting = chain([first], waiting)
        suspects: list[Sequence[FileT]] = []
        yield from _until_broken(work, waiting, suspects, jobs, dask_scheduler)
        for chunk in suspects:
            yield from _one_by_one(work, chunk, refuse)


def _until_broken(
    work: Work[FileT, ResultT],
    waiting: Iterator[Sequence[FileT]],
    suspects: list[Sequence[FileT]],
    jobs: int | None,
    dask_scheduler: str | None,
) -> Iterator[ResultT]:
    """Work until all is done or a worker dies; the chunks that were under way then are left in `suspects`."""
    with open_executor(jobs, dask_scheduler) as (pool, count_workers):
        under_way: dict[Future[ResultT], Sequence[FileT]] = {}
        broken = False
        while not broken:
            limit = count_workers() * CHUNKS_PER_WORKER
            while not broken and len(under_way) < limit:
                chunk = next(waiting, None)
                if chunk is None:
                    break
                try:
                    under_way[pool.submit(work, chunk)] = chunk
                except BrokenExecutor:  # a worker died while the caller was busy with a result
                    suspects.append(chunk)
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
    if future.cancelled():
        raise MissingInput("the Dask scheduler has gone; start it and its workers anew, then this stage: it goes on")
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
        with _local_pool(1) as pool:
            for file in files:
                future = pool.submit(work, [file])
                if _worker_died(future):
                    yield refuse(file)
                    finished = False
                    break
                yield future.result()
