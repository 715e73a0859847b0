from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # as the stages do: nothing in the tests asks the network
# One test runs on each core, and threads beside it would spend most of their time waiting for each other. A person's
# own number wins; it is read when torch and numpy are imported, so it stands above all imports that bring them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from programs import MINI_CONFIG, run_program

EXAMPLES = "the same examples on every machine, however slow it is"
settings.register_profile(EXAMPLES, derandomize=True, deadline=None)
settings.load_profile(EXAMPLES)

MINI_PHANTOM = ("--jobs", 1, "--train-patients", 12, "--test-patients", 3, "--slices", 3, 5, "--size", 128, "--seed", 7)


class Work(NamedTuple):
    """A work folder through which the stages have gone, and the arguments that every program takes for it."""

    folder: Path
    arguments: tuple[str, ...]


def work_at(folder: Path, config: Path = MINI_CONFIG) -> Work:
    """The arguments of a work folder."""
    return Work(folder, ("--config", str(config), "--work", str(folder)))


@pytest.fixture(scope="session")
def phantom_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in the competition's shape."""
    path = tmp_path_factory.mktemp("raw") / "rsna-intracranial-hemorrhage-detection.zip"
    run_program("rsna2019_phantom", "--output", path, *MINI_PHANTOM)
    return path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, phantom_archive: Path) -> Work:
    """The phantoms after stage 01. Tests that change something copy it first."""
    work = work_at(tmp_path_factory.mktemp("prepared"))
    run_program("rsna2019_prepare", *work.arguments, "--archive", phantom_archive, "--jobs", 2)
    return work


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, prepared: Work) -> Work:
    """The phantoms after all stages, two folds. Tests that change something copy it first."""
    work = work_at(tmp_path_factory.mktemp("finished") / "work")
    copy_work(prepared, work)
    run_stages(work)
    return work


def run_stages(work: Work, *extra: str) -> None:
    """Stages 12 to 15 on both folds."""
    run_program("hemorrhage_train_classifier", *work.arguments, "--fold", 0, 1, *extra)
    run_program("hemorrhage_extract_embeddings", *work.arguments, "--fold", 0, 1, *extra)
    run_program("hemorrhage_train_sequence", *work.arguments, "--fold", 0, 1, *extra)
    run_program("hemorrhage_bag", *work.arguments, *extra)


def copy_work(source: Work, target: Work) -> None:
    """Copy a work folder."""
    import shutil

    shutil.copytree(source.folder, target.folder)


@pytest.fixture(scope="session")
def first_level_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices and the classifiers' tables, as stages 41 and 43 leave them."""
    from first_level import make_first_level

    work = tmp_path_factory.mktemp("first_level")
    make_first_level(work)
    return work


@pytest.fixture(scope="session")
def second_level_work(tmp_path_factory: pytest.TempPathFactory, first_level_work: Path) -> Path:
    """The same after stages 44 and 45."""
    from first_level import arguments_for

    work = shutil.copytree(first_level_work, tmp_path_factory.mktemp("second_level") / "work")
    run_program("stacking_second_level", *arguments_for(work))
    run_program("stacking_ensemble", *arguments_for(work))
    return work
