"""A small download in the layout published in 2019, made once for every file of tests here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from published_2019.published_files import Truth, make_download, make_truth


@pytest.fixture(scope="session")
def truth() -> Truth:
    return make_truth()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, truth: Truth) -> Path:
    return make_download(tmp_path_factory.mktemp("published") / "fold1", truth)


@pytest.fixture
def download(tmp_path: Path, made: Path) -> Path:
    return shutil.copytree(made, tmp_path / "fold1")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"
