"""Programs that hold still at a chosen moment of their writing, and runs that were killed there.

The interpreter imports `sitecustomize` at its start, in the program and in every process that it starts. So a folder
with such a module, put first on the import path, reaches all of them, and the program itself stays as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from faults.case import Case
from faults.chains import EVERY_STAGE, STATES
from faults.processes import Running
from hounsfield.core.errors import BadInput
from hounsfield.core.storage.checkpoints import load_state
from hounsfield.core.storage.files import write_bytes

# the process that writes such a file sleeps there (SIGSTOP), for as long as the mark is there
HOLD = """
import os, pathlib, signal
replace, open_ = pathlib.Path.replace, pathlib.Path.open
def hold_half(partial):
    hold(partial.with_name(partial.name.removeprefix(".").removesuffix(".partial")), "half")
def hold(path, when):
    if when == {when!r} and pathlib.Path(path).match({pattern!r}) and os.path.exists({mark!r}):
        os.kill(os.getpid(), signal.SIGSTOP)
def held_replace(path, target):
    hold(target, "before")
    moved = replace(path, target)
    hold(target, "after")
    return moved
def held_write_bytes(path, content):
    with open(path, "wb", buffering=0) as file:
        file.write(content[: len(content) // 2])
        hold_half(path)
        file.write(content[len(content) // 2 :])
    return len(content)
def held_open(path, mode="r", *more, **named):
    file = open_(path, mode, *more, **named)
    if mode == "wb" and path.name.endswith(".partial"):
        write = file.write
        def held_write(content):
            write(content[: len(content) // 2])
            file.flush()
            hold_half(path)
            return len(content[: len(content) // 2]) + write(content[len(content) // 2 :])
        file.write = held_write
    return file
pathlib.Path.replace, pathlib.Path.write_bytes, pathlib.Path.open = held_replace, held_write_bytes, held_open
"""


class Moment(NamedTuple):
    """A moment of the writing of a file: with half of its content, or before or after it gets its name."""

    when: Literal["half", "before", "after"]
    file: str  # a pattern of its path's end


STATE = Moment("after", "state.pt")
# where a stage is killed midway: after this was written, and for those that train in their second epoch
MIDWAY = {
    "01": Moment("after", "parts/0000001.rows.parquet"),
    "12": STATE,
    "13": Moment("after", "unfinished/hflip/000000080.npy"),
    "14": STATE,
    "15": Moment("after", "findings.csv"),
    "51": Moment("after", "parts/0000001.rows.parquet"),
    "52": STATE,
    "53": STATE,
    "54": STATE,
    "55": STATE,
    "61": Moment("after", "parts/0000001.rows.parquet"),
    "62": STATE,
    "63": Moment("after", "unfinished/maps/000000030.npy"),
}


def injected(case: Case, name: str, code: str) -> tuple[str, ...]:
    """What to put before a command so that its processes run `code` first."""
    folder = case.folder / "injected" / name
    write_bytes(folder / "sitecustomize.py", code.encode())
    return ("/usr/bin/env", f"PYTHONPATH={folder}")


@contextmanager
def held(
    case: Case, stage: str, work: Path, moment: Moment, condition: Callable[[], object] = lambda: True
) -> Iterator[tuple[Running, bool]]:
    """Start a stage, and hold it where it comes to the moment and the condition holds; elsewhere it goes on.

    Yields the run, which once woken does not hold again, and False when it ended before.
    """
    number = case.number()
    mark = case.folder / "held" / str(number)
    write_bytes(mark, b"")
    code = HOLD.format(when=moment.when, pattern=moment.file, mark=str(mark))
    with case.start(stage, work, before=injected(case, f"hold_{number}", code)) as running:
        hit = running.until_paused(condition)
        mark.unlink()
        yield running, hit


def killed_at(
    case: Case, stage: str, work: Path, moment: Moment, condition: Callable[[], object] = lambda: True
) -> bool:
    """Start a stage, and kill it there. False when it ended before."""
    with held(case, stage, work, moment, condition) as (running, hit):
        running.kill()
    return hit


def killed_midway(case: Case, stage: str, name: str) -> Path:
    """A work folder of its own in which the stage was killed midway; it is killed once, and copied from then on."""

    def kill_midway(work: Path) -> None:
        shutil.copytree(case.before(stage), work)
        if not killed_at(case, stage, work, MIDWAY[stage], lambda: stage not in STATES or in_training(work, stage)):
            raise BadInput(f"{stage} ended before it could be killed midway ({MIDWAY[stage]})")

    return case.copied(case.once(f"{stage}_killed", kill_midway), stage, name)


def in_training(work: Path, stage: str) -> bool:
    """True when the second epoch is under way."""
    return epoch_and_step(work, stage) > (1, 0)


def epoch_and_step(work: Path, stage: str) -> tuple[int, int]:
    """Where the saved state stands; (0, 0) before the first."""
    path = max(work.glob(STATES[stage]), default=work / STATES[stage])
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:  # not there, or renamed meanwhile: the one before it counts
        return _read.__wrapped__(path, 0)


@lru_cache(maxsize=64)  # asked every few milliseconds
def _read(path: Path, modified: int) -> tuple[int, int]:
    try:
        state = load_state(path)
    except FileNotFoundError:
        return 0, 0
    return (0, 0) if state is None else (state["epoch"], state["step"])


def place(stage: str, work: Path) -> str:
    """Where a killed run had come to, as its files tell."""
    folder = work / EVERY_STAGE[stage].folder
    if stage in ("01", "51", "61"):
        images = sum(len(list((folder / name).rglob("*.*"))) for name in ("images", "films", "unfinished", "volumes"))
        return f"image {images} part {len(list((folder / 'parts').glob('*.rows.parquet')))}"
    if stage in STATES:
        epoch, step = epoch_and_step(work, stage)
        return f"epoch {epoch} step {step}" if (epoch, step) > (0, 0) else "start"
    return f"file {sum(path.is_file() for path in folder.rglob('*'))}"
