from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # as the stages do: nothing in the tests asks the network
# One test runs on each core, and threads beside it would spend most of their time waiting for each other. A person's
# own number wins; it is read when torch and numpy are imported, so it stands above all imports that bring them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hounsfield.core.intake import executors
from programs import MINI_CONFIG, lasting_pool, run_program

EXAMPLES = "the same examples on every machine, however slow it is"
settings.register_profile(EXAMPLES, derandomize=True, deadline=None, max_examples=50)
settings.load_profile(EXAMPLES)

MINI_PHANTOM = ("--jobs", 1, "--train-patients", 12, "--test-patients", 3, "--slices", 3, 5, "--size", 128, "--seed", 7)


class Work(NamedTuple):
    """A work folder through which the stages have gone, and the arguments that every program takes for it."""

    folder: Path
    arguments: tuple[str, ...]


def work_at(folder: Path, config: Path = MINI_CONFIG) -> Work:
    """The arguments of a work folder."""
    return Work(folder, ("--config", str(config), "--work", str(folder)))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A copy of what `make` leaves in a folder; of the processes that share out the tests one makes it for all."""
    return Path(shutil.copytree(shared_folder(factory, name, make), factory.mktemp(name) / "work"))


def shared_folder(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder itself, which all processes read and none changes."""
    top = factory.getbasetemp()
    folder = (top.parent if "PYTEST_XDIST_WORKER" in os.environ else top) / f"made {name}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def phantom_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in the competition's shape; not a copy, since stages know an archive by its inode and times."""
    name = "rsna-intracranial-hemorrhage-detection.zip"

    def make(top: Path) -> None:
        run_program("rsna2019_phantom", "--output", top / name, *MINI_PHANTOM)

    return shared_folder(tmp_path_factory, "raw", make) / name


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, phantom_archive: Path) -> Work:
    """The phantoms after stage 01. Tests that change something copy it first."""

    def make(top: Path) -> None:
        run_program("rsna2019_prepare", *work_at(top).arguments, "--archive", phantom_archive, "--jobs", 2)

    return work_at(made_once(tmp_path_factory, "prepared", make))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, prepared: Work) -> Work:
    """The phantoms after all stages, two folds. Tests that change something copy it first."""

    def make(top: Path) -> None:
        shutil.copytree(prepared.folder, top, dirs_exist_ok=True)
        run_stages(work_at(top))

    return work_at(made_once(tmp_path_factory, "finished", make))


@pytest.fixture
def one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in the pool that serves one program after another."""
    monkeypatch.setattr(executors, "_local_pool", lasting_pool)


def run_stages(work: Work, *extra: str) -> None:
    """Stages 12 to 15 on both folds."""
    run_program("hemorrhage_train_classifier", *work.arguments, "--fold", 0, 1, *extra)
    run_program("hemorrhage_extract_embeddings", *work.arguments, "--fold", 0, 1, *extra)
    run_program("hemorrhage_train_sequence", *work.arguments, "--fold", 0, 1, *extra)
    run_program("hemorrhage_bag", *work.arguments, *extra)


def copy_work(source: Work, target: Work) -> None:
    """Copy a work folder."""
    shutil.copytree(source.folder, target.folder)


@pytest.fixture(scope="session")
def first_level_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices and the classifiers' tables, as stages 41 and 43 leave them."""
    from first_level import make_first_level

    return made_once(tmp_path_factory, "first_level", make_first_level)


@pytest.fixture(scope="session")
def second_level_work(tmp_path_factory: pytest.TempPathFactory, first_level_work: Path) -> Path:
    """The same after stages 44 and 45."""
    from first_level import arguments_for

    def make(top: Path) -> None:
        shutil.copytree(first_level_work, top, dirs_exist_ok=True)
        run_program("stacking_second_level", *arguments_for(top))
        run_program("stacking_ensemble", *arguments_for(top))

    return made_once(tmp_path_factory, "second_level", make)


@pytest.fixture(scope="session")
def finished_necks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run on made-up necks after stages 52 to 56. Tests that change something copy it first."""
    from spine_runs import whole_run

    return made_once(tmp_path_factory, "finished_necks", whole_run)
