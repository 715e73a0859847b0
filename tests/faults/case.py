"""The phantoms on which faults are done: a work folder before each stage, and what its undisturbed run leaves."""

from __future__ import annotations

import shutil
import stat
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faults.outputs import contents, differing
from faults.processes import PATIENCE, Ended, Running
from faults.table import Checks
from hounsfield.core.errors import BadInput
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.storage.files import write_bytes

EXPERIMENT, DATA_SET, FOLD = "faults", "phantom", "0"
CONFIG = """\
# What faults are done to: the smallest network that every stage runs, long enough to be hit in its midst.
data_set: phantom
folds: [0, 1]
threads: 1
prepare: {{fold_count: 2}}
classifier: {{backbone: test_resnet, size: 64, epochs: {epochs}, batch_size: 8, learning_rate: 1.0e-3, workers: 1,
             save_every: 2, steps_per_epoch: {steps}}}
embedding: {{views: [identity, hflip], epochs: [0], batch_size: 8, block_batches: 1}}
sequence: {{hidden_units: 32, epochs: {sequence_epochs}, epochs_to_bag: 2, keep_epochs: 1, batch_size: 2,
           learning_rate: 1.0e-3, save_every: 2}}
"""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much the phantoms and their training hold."""

    train_patients: int = 30
    test_patients: int = 4
    slices: int = 10  # a patient
    pixels: int = 128
    epochs: int = 3
    steps: int = 20  # an epoch of the classifier
    sequence_epochs: int = 10


FULL = Sizes()
SMALL = Sizes(train_patients=10, test_patients=2, slices=8, epochs=1, steps=2, sequence_epochs=2)


@dataclass(frozen=True)
class Stage:
    """One stage program: its file, its own arguments, the folder that it locks, what changes its speed alone."""

    program: str
    arguments: tuple[str, ...]
    folder: str  # below the work folder
    other_workers: tuple[str, ...]


CHECKPOINTS = f"checkpoints/hemorrhage/{EXPERIMENT}/fold{FOLD}"
SEQUENCE = f"{CHECKPOINTS}/sequence_epoch0"
EMBEDDINGS = f"data/{DATA_SET}/embeddings/{EXPERIMENT}/fold{FOLD}/epoch0"
PREDICTIONS = f"preds/hemorrhage/{EXPERIMENT}"
WORKERS = "--classifier.workers"
STAGES = {
    "01": Stage("rsna2019_prepare.py", ("--jobs", "2"), f"data/{DATA_SET}", ("--jobs", "1")),
    "12": Stage("hemorrhage_train_classifier.py", ("--fold", FOLD), CHECKPOINTS, (WORKERS, "2")),
    "13": Stage("hemorrhage_extract_embeddings.py", ("--fold", FOLD), EMBEDDINGS, (WORKERS, "2")),
    "14": Stage("hemorrhage_train_sequence.py", ("--fold", FOLD), SEQUENCE, ()),
    "15": Stage("hemorrhage_bag.py", ("--fold", FOLD), PREDICTIONS, ()),
}


class Case:
    """The phantoms in `folder`, and the undisturbed run of every stage, made when it is first asked for."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder, self.sizes = folder, sizes
        self.archive = folder / "phantom.zip"
        self.config = folder / f"{EXPERIMENT}.yaml"
        self._seconds: dict[str, float] = {}  # of a stage's undisturbed work, from its first output on
        self._expected: dict[str, dict[str, str]] = {}
        self._runs = 0

    def before(self, stage: str) -> Path:
        """The work folder as the stage finds it; what comes before is run now if it was not yet."""
        names = list(STAGES)
        place = names.index(stage)
        if place == 0:
            self._draw()
            return self.folder / "undisturbed" / "00"
        earlier = names[place - 1]
        self.expected(earlier)
        return self.folder / "undisturbed" / earlier

    def expected(self, stage: str) -> dict[str, str]:
        """The digests of all files after the stage's undisturbed run."""
        if stage not in self._expected:
            work = self.folder / "undisturbed" / stage
            shutil.copytree(self.before(stage), work)
            self._seconds[stage] = self._timed(stage, work)
            self._expected[stage] = contents(work)
        return self._expected[stage]

    def seconds(self, stage: str) -> float:
        """How long the stage's undisturbed run was at work, from its first output on."""
        self.expected(stage)
        return self._seconds[stage]

    def fresh(self, stage: str, name: str) -> Path:
        """A work folder of its own as the stage finds it."""
        work = self.folder / "work" / f"{stage}_{name}"
        if work.exists():
            shutil.rmtree(work)
        shutil.copytree(self.before(stage), work)
        return work

    def command(self, stage: str, work: Path, *extra: str, launch: Sequence[str] = ()) -> list[str]:
        """The command line of a stage in a work folder. launch: what stands between interpreter and program."""
        own = STAGES[stage]
        archive = ["--archive", str(self.archive)] if stage == "01" and "--archive" not in extra else []
        common = ["--config", str(self.config), "--work", str(work), *archive]
        return [sys.executable, *launch, str(REPOSITORY / "scripts" / own.program), *common, *own.arguments, *extra]

    def start(
        self, stage: str, work: Path, *extra: str, launch: Sequence[str] = (), before: Sequence[str] = ()
    ) -> Running:
        """Start a stage in a work folder. before: what stands in front of the interpreter."""
        self._runs += 1
        log = self.folder / "said" / f"{self._runs:03d}_{work.name}.txt"
        return Running([*before, *self.command(stage, work, *extra, launch=launch)], log)

    def run(self, stage: str, work: Path, *extra: str, launch: Sequence[str] = (), before: Sequence[str] = ()) -> Ended:
        """Run a stage to its end."""
        with self.start(stage, work, *extra, launch=launch, before=before) as running:
            return running.wait()

    def at_work(self, stage: str, work: Path, running: Running) -> bool:
        """Wait until a run has begun to write its outputs: its start-up is over. False when it ended before."""
        folder = work / STAGES[stage].folder
        known = _outputs(folder)
        return running.until(lambda: _outputs(folder) != known)

    def check_same(self, checks: Checks, stage: str, work: Path, what: str = "") -> None:
        """Hold every file below the work folder against the undisturbed run's."""
        expected = self.expected(stage)
        wrong = differing(contents(work), expected)
        told = f"{what}0 of {len(expected)} files differ"
        checks.check(not wrong, told, f"{what}{len(wrong)} of {len(expected)} files differ: {', '.join(wrong[:3])}")

    def check_resumes(self, checks: Checks, stage: str, work: Path, *extra: str) -> Ended:
        """Start the same command again: it must end well and with the undisturbed run's bytes."""
        ended = self.run(stage, work, *extra)
        if checks.check(ended.status == 0, "started again: exit 0", f"started again: {told(ended)}"):
            self.check_same(checks, stage, work)
        return ended

    def _draw(self) -> None:
        if self.archive.exists():
            return
        sizes = self.sizes
        values = {"epochs": sizes.epochs, "steps": sizes.steps, "sequence_epochs": sizes.sequence_epochs}
        write_bytes(self.config, CONFIG.format(**values).encode())
        (self.folder / "undisturbed" / "00").mkdir(parents=True)
        drawing = [sys.executable, str(REPOSITORY / "scripts" / "rsna2019_phantom.py"), "--output", str(self.archive)]
        counts = ("--train-patients", sizes.train_patients, "--test-patients", sizes.test_patients)
        shape = ("--slices", sizes.slices, sizes.slices, "--size", sizes.pixels, "--seed", 7)
        with Running([*drawing, *map(str, (*counts, *shape))], self.folder / "said" / "phantom.txt") as running:
            must_end_well("the phantoms", running.wait())

    def _timed(self, stage: str, work: Path) -> float:
        """Run a stage undisturbed; the seconds from its first output on."""
        with self.start(stage, work) as running:
            self.at_work(stage, work, running)
            begin = time.perf_counter()
            must_end_well(f"the undisturbed run of {stage}", running.wait())
        return time.perf_counter() - begin


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
    for path in folder.rglob("*"):
        if "recipe" not in path.name and path.name != ".lock" and "tensorboard" not in path.parts:
            with suppress(FileNotFoundError):  # renamed meanwhile
                facts = path.stat()
                if stat.S_ISREG(facts.st_mode):
                    found.add((str(path), facts.st_mtime_ns))
    return found
