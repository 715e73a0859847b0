"""Disks that are full, and inputs that may only be read."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from faults.case import Case, told
from faults.chains import CHECKPOINTS, DATA_SET, EMBEDDINGS, STAGES, STATES
from faults.moments import injected
from faults.outputs import contents, differing
from faults.table import Checks, Fault, Outcome
from hounsfield.core.stages.outputs import RECORD, read_record
from hounsfield.core.storage.checkpoints import load_state

MOUNT, UMOUNT = "/usr/bin/mount", "/usr/bin/umount"
EXPECTED = "exit not 0, an error that names the file and what to do, the old files intact; with room: same bytes"
PAGE = 4096  # bytes
BLOCK, HEADER = 8, 128  # rows of a block of embeddings; bytes before them in its file
# others fill the disk after a stage has found it empty: of what is free it is told a terabyte
LOOKS_EMPTY = """
import shutil
usage = shutil.disk_usage("/")
shutil.disk_usage = lambda path: usage._replace(free=10**12)
"""
WORDS = ("No space left on device", "File too large")  # a full file system; RLIMIT_FSIZE in its place


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stage writes, and how little room there is too little for it."""

    stage: str
    what: str
    folder: str  # below the work folder
    room: int  # bytes of the file system
    file_limit: int  # bytes a file may grow to, where no file system can be mounted
    named: str  # how the error must name the file


def disk_faults(case: Case) -> Iterator[Fault]:
    """Fill the disk below each kind of output, then make room."""
    for stage, what in (
        ("12", "training state"),
        ("01", "images"),
        ("13", "blocks of embeddings"),
        ("13", "embeddings, joined"),
    ):
        yield partial(full_disk, case, stage, what)


def places(case: Case) -> list[Place]:
    """Room for the first of two states; for half of the images; for half of the blocks; for all blocks but no more."""
    embeddings = case.undisturbed("13") / EMBEDDINGS
    images = sorted(path.stat().st_size for path in case.undisturbed("01").rglob("*.jpg"))
    weights = (case.undisturbed("12") / CHECKPOINTS / "epoch0.safetensors").stat().st_size
    arrays = [np.load(path, mmap_mode="r") for path in sorted(embeddings.glob("*.npy"))]
    record = pages((embeddings / RECORD).stat().st_size)
    blocks = sum(-(-len(array) // BLOCK) * pages(array[:BLOCK].nbytes + HEADER) for array in arrays) + record
    block, joined = (max(array[:rows].nbytes for array in arrays) + HEADER for rows in (BLOCK, None))
    return [
        Place(stage="12", what="training state", folder=CHECKPOINTS, room=int(4.8 * weights), file_limit=2 * weights,
              named="state.pt: cannot be written"),
        Place(stage="01", what="images", folder=f"data/{DATA_SET}/images", room=sum(map(pages, images)) // 2,
              file_limit=images[len(images) // 2], named=".jpg: cannot be written"),
        Place(stage="13", what="blocks of embeddings", folder=EMBEDDINGS, room=blocks // 2, file_limit=block // 2,
              named=".npy: cannot be written"),
        Place(stage="13", what="embeddings, joined", folder=EMBEDDINGS, room=blocks + pages(joined // 2),
              file_limit=(block + joined) // 2, named=".npy: cannot be written"),
    ]  # fmt: skip


def pages(size: int) -> int:
    """The bytes that a file takes in memory: whole pages."""
    return -(-size // PAGE) * PAGE


def full_disk(case: Case, stage: str, what: str) -> Outcome:
    """Run a stage into a disk that is too small, then make room and run it again."""
    place = next(place for place in places(case) if (place.stage, place.what) == (stage, what))
    checks, work = Checks(), case.fresh(stage, f"full_disk {what}")
    folder = work / place.folder
    folder.mkdir(parents=True, exist_ok=True)
    with small_disk(folder, place.room) as mounted:
        before = injected(case, "disk_looks_empty", LOOKS_EMPTY) if mounted else limit(place.file_limit)
        ended = case.run(stage, work, before=before)
        clear = ended.status == 1 and place.named in ended.error and any(word in ended.error for word in WORDS)
        checks.check(clear, shortened(ended.error, work), told(ended))
        checks.check("make room" in ended.error.lower(), "the remedy named", "no remedy named")
        record = f"{STAGES[stage].folder}/{RECORD}"
        checks.check(read_record(work / STAGES[stage].folder) is None, "not called done", "called done")
        expected, now = case.expected(stage), contents(work)
        broken = [name for name in now if name != record and expected.get(name, now[name]) != now[name]]
        checks.check(not broken, "what is finished is whole", f"broken: {broken[:3]}")
        if stage == "12":
            kept = load_state(work / STATES["12"]) is not None
            checks.check(kept, "the state before is whole", "no whole state is left")
        if mounted:
            make_room(folder)
        case.check_resumes(checks, stage, work)
    how = f"file system of {place.room / 1e6:.2f} MB" if mounted else f"files limited to {place.file_limit} bytes"
    return checks.outcome("4. disk full", f"{stage}, {what}: {how}", EXPECTED)


def shortened(message: str, work: Path) -> str:
    """A message without the temporary folder's name."""
    return message.replace(f"{work}/", "")


def read_only_faults(case: Case) -> Iterator[Fault]:
    """Let each stage read from where nobody may write."""
    yield partial(read_only_archive, case)
    for stage in ("12", "14"):
        yield partial(read_only_input, case, stage)
    yield partial(read_only_output, case)


def read_only_archive(case: Case) -> Outcome:
    """Prepare from a folder that is read-only."""
    checks, work = Checks(), case.fresh("01", "read_only")
    with read_only(case.archive("01").parent) as how:
        ended = case.run("01", work)
    if checks.check(ended.status == 0, "exit 0", told(ended)):
        case.check_same(checks, "01", work)
    return checks.outcome("read-only input", f"01 with the archive's folder read-only ({how})", "same bytes")


def read_only_input(case: Case, stage: str) -> Outcome:
    """Train on a data set that is read-only."""
    checks, work = Checks(), case.fresh(stage, "read_only")
    with read_only(work / "data" / DATA_SET) as how:
        ended = case.run(stage, work)
    if checks.check(ended.status == 0, "exit 0", told(ended)):
        case.check_same(checks, stage, work)
    return checks.outcome("read-only input", f"{stage} with data/{DATA_SET}/ read-only ({how})", "same bytes")


def read_only_output(case: Case) -> Outcome:
    """Extract to where nobody may write."""
    checks, work = Checks(), case.fresh("13", "read_only")
    with read_only(work / "data" / DATA_SET) as how:
        before = contents(work)
        ended = case.run("13", work)
        if how == "mount":
            clear = ended.status not in (0, None) and DATA_SET in ended.error
            checks.check(clear, shortened(ended.error, work), told(ended))
            checks.check(not differing(contents(work), before), "nothing touched", "something was written")
    case.check_resumes(checks, "13", work)
    done = f"13, which writes below data/{DATA_SET}/, with that read-only ({how})"
    return checks.outcome("read-only output", done, "a clear error naming the file; writable again: same bytes")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Mount a file system of `size` bytes in memory on `folder`; False where this user may not."""
    done = run_quietly([MOUNT, "-t", "tmpfs", "-o", f"size={size // 4096 * 4096}", "tmpfs", str(folder)])
    try:
        yield done
    finally:
        if done:
            unmount(folder)


def make_room(folder: Path) -> None:
    """Give the mounted file system as much as anything here needs."""
    run_quietly([MOUNT, "-o", "remount,size=1g", str(folder)])


@contextmanager
def read_only(folder: Path) -> Iterator[str]:
    """Make a folder read-only by a mount onto itself, or by its permissions. Yields which."""
    done = run_quietly([MOUNT, "--bind", str(folder), str(folder)])
    if done:
        run_quietly([MOUNT, "-o", "remount,ro,bind", str(folder)])
    else:
        folder.chmod(0o555)
    try:
        yield "mount" if done else "permissions"
    finally:
        if done:
            unmount(folder)
        else:
            folder.chmod(0o755)


def unmount(folder: Path) -> None:
    """Take a mount away again, also when something still looks into it."""
    if not run_quietly([UMOUNT, str(folder)]):
        run_quietly([UMOUNT, "--lazy", str(folder)])


def limit(size: int) -> tuple[str, ...]:
    """What to put before a command so that no file may grow beyond `size` bytes."""
    return ("/bin/sh", "-c", f'ulimit -f {max(1, size // 512)}; exec "$@"', "limited")


def run_quietly(command: Sequence[str]) -> bool:
    """Run a command of the system; True when it is there and did its work."""
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
