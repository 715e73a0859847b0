"""The phantoms on which faults are done: a work folder before each stage, and what its undisturbed run leaves."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock

from faults.chains import EVERY_STAGE, Chain, Sizes, chain_of
from faults.outputs import KEPT_CONFIG, contents, differing
from faults.processes import PATIENCE, Ended, Running, descendants, kill
from faults.table import Checks
from hounsfield.core.errors import BadInput
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.stages.outputs import RECORD
from hounsfield.core.storage.files import write_bytes


class Case:
    """The phantoms in `folder`, and the undisturbed run of every stage, made when it is first asked for.

    Faults can be done side by side; each names its own work folders.
    """

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder, self.sizes = folder, sizes
        self._seconds: dict[str, float] = {}  # of a stage's undisturbed work, from its first output on
        self._expected: dict[Path, dict[str, str]] = {}
        self._locks: dict[Path, Lock] = {}
        self._numbers, self._closed = itertools.count(1), False

    def number(self) -> int:
        """A number that was not given before."""
        return next(self._numbers)

    def archive(self, stage: str) -> Path:
        """The archive that the stage's chain begins with."""
        return self.folder / "raw" / f"{chain_of(stage).experiment}.zip"

    def close(self) -> None:
        """End all runs, and start no more."""
        self._closed = True
        for pid in descendants(os.getpid()):
            kill(pid)

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """A work folder that `make` makes when it is first asked for, and that nobody changes."""
        work = self.folder / "once" / name
        with self._locks.setdefault(work, Lock()):
            if work not in self._expected:
                make(work)
                self._expected[work] = contents(work)
        return work

    def before(self, stage: str) -> Path:
        """The work folder as the stage finds it; what comes before is run now if it was not yet."""
        chain = chain_of(stage)
        names = list(chain.stages)
        place = names.index(stage)
        drawn = f"before_{names[0]}"
        return self.undisturbed(names[place - 1]) if place else self.once(drawn, partial(self._draw, chain))

    def undisturbed(self, stage: str) -> Path:
        """The work folder after the stage's undisturbed run."""
        return self.once(stage, partial(self._run_undisturbed, stage))

    def expected(self, stage: str) -> dict[str, str]:
        """The digests of all files after the stage's undisturbed run."""
        return self.digests(self.undisturbed(stage))

    def digests(self, once: Path) -> dict[str, str]:
        """The digests of all files of a folder that `once` has made."""
        return self._expected[once]

    def seconds(self, stage: str) -> float:
        """How long the stage's undisturbed run was at work, from its first output on."""
        self.undisturbed(stage)
        return self._seconds[stage]

    def fresh(self, stage: str, name: str) -> Path:
        """A work folder of its own as the stage finds it. name: no other fault's."""
        return self.copied(self.before(stage), stage, name)

    def copied(self, source: Path, stage: str, name: str) -> Path:
        """A work folder of its own like another. name: no other fault's."""
        work = self.folder / "work" / f"{stage}_{name.replace(' ', '_')}"
        if work.exists():
            shutil.rmtree(work)
        return Path(shutil.copytree(source, work))

    def command(self, stage: str, work: Path, *extra: str, launch: Sequence[str] = ()) -> list[str]:
        """The command line of a stage in a work folder. launch: what stands between interpreter and program."""
        own, chain = EVERY_STAGE[stage], chain_of(stage)
        prepares = stage == next(iter(chain.stages)) and "--archive" not in extra
        archive = ["--archive", str(self.archive(stage))] if prepares else []
        common = ["--config", str(self._config(chain)), "--work", str(work), *archive]
        return [sys.executable, *launch, str(REPOSITORY / "scripts" / own.program), *common, *own.arguments, *extra]

    def start(
        self, stage: str, work: Path, *extra: str, launch: Sequence[str] = (), before: Sequence[str] = ()
    ) -> Running:
        """Start a stage in a work folder. before: what stands in front of the interpreter."""
        if self._closed:
            raise BadInput("ended before all faults were done")
        log = self.folder / "said" / f"{self.number():04d}_{work.name}.txt"
        return Running([*before, *self.command(stage, work, *extra, launch=launch)], log)

    def run(self, stage: str, work: Path, *extra: str, launch: Sequence[str] = (), before: Sequence[str] = ()) -> Ended:
        """Run a stage to its end."""
        with self.start(stage, work, *extra, launch=launch, before=before) as running:
            return running.wait()

    def at_work(self, stage: str, work: Path, running: Running) -> bool:
        """Wait until a run has begun to write its outputs: its start-up is over. False when it ended before."""
        folder = work / EVERY_STAGE[stage].folder
        known = _outputs(folder)
        return running.until(lambda: _outputs(folder) != known)

    def check_same(self, checks: Checks, stage: str, work: Path) -> None:
        """Hold every file below the work folder against the undisturbed run's."""
        check_equal(checks, work, self.expected(stage))

    def check_resumes(self, checks: Checks, stage: str, work: Path, *extra: str) -> Ended:
        """Start the same command again: it must end well and with the undisturbed run's bytes."""
        ended = self.run(stage, work, *extra)
        if checks.check(ended.status == 0, "started again: exit 0", f"started again: {told(ended)}"):
            expected, found = dict(self.expected(stage)), contents(work)
            if extra:  # stands in the configuration that is kept
                expected |= {name: found[name] for name in expected.keys() & found if Path(name).match(KEPT_CONFIG)}
            check_equal(checks, work, expected)
        return ended

    def _config(self, chain: Chain) -> Path:
        return self.folder / f"{chain.experiment}.yaml"

    def _draw(self, chain: Chain, work: Path) -> None:
        write_bytes(self._config(chain), chain.config.format(**asdict(self.sizes)).encode())
        archive = self.archive(next(iter(chain.stages)))
        archive.parent.mkdir(parents=True, exist_ok=True)
        drawing = [sys.executable, str(REPOSITORY / "scripts" / chain.phantom), "--output", str(archive), "--seed", "7"]
        options, log = map(str, chain.drawing(self.sizes)), self.folder / "said" / f"{archive.stem}.txt"
        with Running([*drawing, *options], log) as running:
            must_end_well("the phantoms", running.wait())
        work.mkdir(parents=True)

    def _run_undisturbed(self, stage: str, work: Path) -> None:
        """Run a stage undisturbed, and note the seconds from its first output on."""
        shutil.copytree(self.before(stage), work)
        with self.start(stage, work) as running:
            self.at_work(stage, work, running)
            begin = time.perf_counter()
            must_end_well(f"the undisturbed run of {stage}", running.wait())
        self._seconds[stage] = time.perf_counter() - begin


def check_equal(checks: Checks, work: Path, expected: dict[str, str]) -> None:
    """Hold every file below a work folder against a run's digests."""
    wrong, count = differing(contents(work), expected), len(expected)
    checks.check(
        not wrong, f"0 of {count} files differ", f"{len(wrong)} of {count} files differ: {', '.join(wrong[:3])}"
    )


def told(ended: Ended) -> str:
    """How a run ended, in a few words."""
    how = f"hung for {PATIENCE:.0f} s" if ended.status is None else f"exit {ended.status}"
    return f"{how}, {ended.error[:300]!r}"


def must_end_well(what: str, ended: Ended) -> None:
    """Raise BadInput unless a run without any fault ended well: nothing can be compared with it then."""
    if ended.status != 0:
        raise BadInput(f"{what} must end well before faults are done: {told(ended)}")


def _outputs(folder: Path) -> set[tuple[str, int]]:
    """Name and time of the files that a run has made so far, finished or not; beside what it makes at its start."""
    found = set()
    for parent, _, names in os.walk(folder):  # which passes over folders that the run removes meanwhile
        for path in (Path(parent, name) for name in names):
            if RECORD not in path.name and path.name != ".lock" and "tensorboard" not in path.parts:
                with suppress(FileNotFoundError):  # renamed meanwhile
                    found.add((str(path), path.stat().st_mtime_ns))
    return found
