"""Runs the stage programs inside the test process: importing torch anew for each would take longer than the stages.

For the same reason the processes that read files serve one program after another.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType

import pytest
from joblib.externals.loky import ProcessPoolExecutor

from hounsfield.core.intake import executors
from hounsfield.core.logs import set_up_logging

REPOSITORY = Path(__file__).resolve().parents[1]
MINI_CONFIG = REPOSITORY / "tests" / "phantoms" / "mini.yaml"
POOLS: dict[int, ProcessPoolExecutor] = {}  # by the number of workers


def load_program(name: str) -> ModuleType:
    """Import `scripts/<name>.py`, or of a tool that proves something `tests/<name>.py`, as a module."""
    folder = REPOSITORY / ("tests" if "/" in name else "scripts")
    specification = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def work_of(name: str) -> ModuleType:
    """The module with what the program `scripts/<name>.py` does once its command line is read."""
    system, _, stage = name.replace("rsna2019_prepare", "hemorrhage_prepare").partition("_")
    return importlib.import_module(f"hounsfield.{system}.stages.{stage}")


def run_program(name: str, *arguments: object) -> None:
    """Run a program's main with these arguments; what it raises, it raises here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        patch.setattr(executors, "_local_pool", lasting_pool)
        set_up_logging()
        load_program(name).main()


def report_run(folder: Path, work: Path, *options: object) -> None:
    """Stage 81, with the charts of each level's last class alone: to draw those of all takes longer than the rest."""
    from hounsfield.report import build
    from hounsfield.report.level_charts import level_charts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "level_charts", lambda level, numbers: list(level_charts(level, numbers))[-1:])
        run_program("report", "--run", folder, "--work", work, *options)


def lasting_pool(workers: int) -> AbstractContextManager[ProcessPoolExecutor]:
    """The last program's pool of as many workers; a new one where a worker has died.

    Not loky's reusable one: joblib takes that for its own.
    """
    pool = POOLS.get(workers)
    if pool is None or pool._flags.broken or pool._flags.shutdown:
        settings = {"initializer": executors._end_with, "initargs": (os.getpid(),), "env": executors.KEEP_MEMORY}
        pool = POOLS[workers] = ProcessPoolExecutor(workers, **settings)
    return nullcontext(pool)


def ask_to_stop() -> None:
    """Do what SIGTERM would do to this process at this moment, without sending it."""
    handler = signal.getsignal(signal.SIGTERM)
    assert callable(handler), "nobody listens: the process would end"
    handler(signal.SIGTERM, None)


@contextmanager
def held_by_another_process(folder: Path, *, shared: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock of `folder` for as long as the context lasts."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom hounsfield.core.storage.files import locked\n"
        "with locked(Path(sys.argv[1]), shared=bool(sys.argv[2])):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), "yes" if shared else ""],
        env={"PYTHONPATH": str(REPOSITORY / "scripts")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "held\n"
        yield other
    finally:
        other.kill()
        other.wait()
