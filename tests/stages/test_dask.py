"""Preparation on a Dask cluster: scheduler and workers are started as a person would, on this computer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from distributed import Client

from conftest import Work, work_at
from dicom_files import ct_file
from faults.processes import PATIENCE
from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.intake import executors
from hounsfield.core.intake.executors import run_chunks
from programs import run_program

FILES = 384  # six chunks
QUIET = "--no-dashboard"


@contextmanager
def started(module: str, *arguments: object, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of Dask's in a process, as the commands `dask scheduler` and `dask worker` start it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", f"distributed.cli.{module}", *map(str, arguments), QUIET]
    with (folder / f"{module}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in family:
            one.kill()
        process.wait()
        psutil.wait_procs(family, PATIENCE)


def wait_until(fact: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler."""
    folder = tmp_path_factory.mktemp("scheduler")
    file = folder / "scheduler.json"
    with started("dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file, folder=folder):
        wait_until(file.exists)
        yield json.loads(file.read_text())["address"]


@contextmanager
def joined(scheduler: str, *arguments: object, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Workers that the scheduler knows, and has forgotten afterwards."""
    with Client(scheduler) as client:
        with started("dask_worker", scheduler, *arguments, folder=folder) as process:
            wait_until(client.nthreads)
            yield process
        wait_until(lambda: not client.nthreads())


@pytest.fixture
def workers(scheduler: str, tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """Two workers; what is called gives the numbers of their processes."""
    with joined(scheduler, "--nthreads", 1, "--nworkers", 2, folder=tmp_path) as nanny:
        yield lambda: [
            child.pid
            for child in psutil.Process(nanny.pid).children(recursive=True)
            if "resource_tracker" not in " ".join(child.cmdline())
        ]


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Work, tuple[object, ...]]:
    """Slices prepared without a cluster, one of them cut, and the arguments that name them."""
    top = tmp_path_factory.mktemp("home")
    (top / "ct").mkdir()
    for number in range(FILES):
        content = ct_file(ImagePositionPatient=[0, 0, number], SeriesInstanceUID=f"1.2.{number // 40}")
        (top / "ct" / f"{number:04d}.dcm").write_bytes(content[: -100 if number == 7 else None])
    work, arguments = work_at(top / "work"), ("--images", top / "ct", "--data_set", "own")
    run_program("rsna2019_prepare", *work.arguments, *arguments, "--jobs", 2)
    return work, arguments


def prepare_on_cluster(home: tuple[Work, tuple[object, ...]], folder: Path, scheduler: str) -> Path:
    """Prepare the same slices on the cluster, under the same pseudonyms; returns the data set's folder."""
    work, arguments = home
    away = work_at(folder / "work")
    key = Path("data") / "own" / "pseudonyms.key"
    (away.folder / key).parent.mkdir(parents=True)
    shutil.copy(work.folder / key, away.folder / key)
    run_program("rsna2019_prepare", *away.arguments, *arguments, "--dask-scheduler", scheduler)
    return away.folder / "data" / "own"


def contents(folder: Path) -> dict[str, bytes]:
    """All that preparation leaves for others: tables and images, and nothing half written."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name): (folder / name).read_bytes() for name in names if name.parts[0] not in ("parts", ".lock")}


@pytest.mark.slow
def test_a_cluster_leaves_the_same_bytes(
    at_home: tuple[Work, tuple[object, ...]], scheduler: str, workers: Callable[[], list[int]], tmp_path: Path
) -> None:
    expected = contents(at_home[0].folder / "data" / "own")
    assert contents(prepare_on_cluster(at_home, tmp_path, scheduler)) == expected
    assert len(expected) > FILES
    assert b"pixel_data_short" in expected["rejected.csv"]


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(
    at_home: tuple[Work, tuple[object, ...]], scheduler: str, workers: Callable[[], list[int]], tmp_path: Path
) -> None:
    folder, killed = tmp_path / "work" / "data" / "own", []

    def kill_one() -> None:
        wait_until(lambda: next(folder.rglob("*.jpg"), None) is not None)
        killed.append(len(list(folder.rglob("*.jpg"))))
        os.kill(workers()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    prepare_on_cluster(at_home, tmp_path, scheduler)
    killer.join()
    assert 0 < killed[0] < FILES - 1  # in the middle
    assert "was killed by signal 9" in (tmp_path / "dask_worker.log").read_text()
    assert contents(folder) == contents(at_home[0].folder / "data" / "own")


def refuse(number: int) -> list[int]:
    return [-number]


@pytest.mark.slow
def test_workers_with_several_threads_are_refused(scheduler: str, tmp_path: Path) -> None:
    several = joined(scheduler, "--nthreads", 2, "--no-nanny", folder=tmp_path)
    with several, pytest.raises(WrongUse, match="start them with --nthreads 1"):
        list(run_chunks(list, [[1]], refuse, dask_scheduler=scheduler))


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(MissingInput, match=r"no Dask scheduler answers at nowhere"):
        list(run_chunks(list, [[1]], refuse, dask_scheduler="nowhere:1"))
