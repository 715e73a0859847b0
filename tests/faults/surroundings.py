"""What goes wrong around a program, injected into an unchanged program: a stale file handle, a clock that steps."""

from __future__ import annotations

import itertools
import os
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faults.case import Case, told
from faults.chains import DATA_SET, STAGES
from faults.disks import shortened
from faults.moments import injected, killed_midway, place
from faults.table import Checks, Fault, Outcome

# one read of a file whose name ends so fails as on a network file system whose server was restarted
STALE_HANDLE = """
import errno, os, pathlib
read_bytes = pathlib.Path.read_bytes
def stale_once(path):
    if path.name.endswith({suffix!r}):
        try:
            os.close(os.open({mark!r}, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return read_bytes(path)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
    return read_bytes(path)
pathlib.Path.read_bytes = stale_once
"""
# the time of day goes back a day with every question, and returns
CLOCK_STEPS = """
import time
import zipfile
now, asked = time.time, [0]
def stepping():
    asked[0] += 1
    return now() - 86400 * (asked[0] % 2)
time.time = stepping
"""
YEAR = 365 * 86400


def surroundings_faults(case: Case) -> Iterator[Fault]:
    """Stale handles for each reader, then the clock."""
    yield partial(stale_source, case)
    for stage in ("12", "13"):
        yield partial(stale_image, case, stage)
    yield partial(times_changed, case)
    yield partial(clock_steps, case)


def stale_source(case: Case) -> Outcome:
    """ESTALE for one DICOM file of an unpacked archive: the file is refused, and done by the next run."""
    checks, work = Checks(), case.fresh("01", "stale")
    source = unpacked(case)
    stale = injected(case, "source", STALE_HANDLE.format(suffix=".dcm", mark=str(case.folder / "stale_source")))
    options = ("--archive", str(source))
    ended = case.run("01", work, *options, before=stale)
    rejected = (work / "data" / DATA_SET / "rejected.csv").read_text()
    lines = [line for line in rejected.splitlines() if "unreadable_file" in line]
    checks.check(ended.status == 0 and len(lines) == 1, f"one file refused: {lines[:1]}", told(ended))
    checks.check("unreadable_file" in ended.said, "and said so", "nothing said")
    again = case.run("01", work, *options)
    checks.check(again.status == 0 and "prepare: 1 file " in again.said, "started again: that file alone", told(again))
    other = case.fresh("01", "not_stale")
    case.run("01", other, *options)
    same = [
        (work / "data" / DATA_SET / name).read_bytes() == (other / "data" / DATA_SET / name).read_bytes()
        for name in ("slices.parquet", "rejected.csv")
    ]
    checks.check(all(same), "tables of an undisturbed run", "other tables than an undisturbed run's")
    return checks.outcome("NFS ESTALE", "01, one read of a DICOM file fails", "the file named; done by the next run")


def stale_image(case: Case, stage: str) -> Outcome:
    """ESTALE for one prepared image."""
    checks, work = Checks(), case.fresh(stage, "stale")
    mark = case.folder / f"stale_{stage}"
    stale = injected(case, stage, STALE_HANDLE.format(suffix=".jpg", mark=str(mark)))
    ended = case.run(stage, work, before=stale)
    clear = ended.status == 1 and ".jpg" in ended.error and "Stale file handle" in ended.error
    checks.check(clear and "Traceback" not in ended.said, shortened(ended.error, work), told(ended))
    case.check_resumes(checks, stage, work)
    return checks.outcome("NFS ESTALE", f"{stage}, one read of an image fails", "an error naming the file; same bytes")


def times_changed(case: Case) -> Outcome:
    """Set the times of every file, inputs and half-made outputs, and go on."""
    checks, ahead = Checks(), time.time() + 10 * YEAR
    for stage in STAGES:
        work = killed_midway(case, stage, "times")
        checks.note(f"{stage} killed at {place(stage, work)}")
        for path, moment in zip(sorted(work.rglob("*")), itertools.cycle((ahead, 0))):
            os.utime(path, (moment, moment))
        case.check_resumes(checks, stage, work)
    done = "every stage killed, its files' times set in turn to ten years ahead and to 1970"
    return checks.outcome("clock step", done, "same bytes")


def clock_steps(case: Case) -> Outcome:
    """Let the clock jump back a day and return throughout a run."""
    checks = Checks()
    for stage in ("12", "14"):
        work = case.fresh(stage, "clock")
        ended = case.run(stage, work, before=injected(case, "clock", CLOCK_STEPS))
        if checks.check(ended.status == 0, f"{stage}: exit 0", told(ended)):
            case.check_same(checks, stage, work)
    return checks.outcome("clock step", "12 and 14 while the clock jumps back a day and returns", "same bytes")


def unpacked(case: Case) -> Path:
    """The phantoms' archive as a folder."""
    folder = case.folder / "unpacked"
    if not folder.exists():
        case.before("01")
        with zipfile.ZipFile(case.archive("01")) as archive:  # drawn by this very stage
            archive.extractall(folder)
    return folder
