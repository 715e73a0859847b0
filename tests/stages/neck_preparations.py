"""Preparations of small series of the neck by stage 51, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hounsfield.competitions.rsna2022 import segmentations
from hounsfield.core.intake import prepare_files
from killed_runs import files_left
from programs import run_program

CONFIG = "data_set: necks\nfolds: [0, 1]\nprepare: {fold_count: 2}\n"
NAMES = [f"1.2.{n}" for n in range(1, 6)]  # of the small archive's studies


def run(work: Path, *arguments: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prepare with one process; returns the tables of studies, by study, and of slices."""
    work.mkdir(exist_ok=True)
    (work / "mini.yaml").write_text(CONFIG)
    run_program("rsna2022_prepare", "--config", work / "mini.yaml", "--work", work, "--jobs", 1, *arguments)
    data = work / "data" / "necks"
    return pd.read_parquet(data / "studies.parquet").set_index("study_uid"), pd.read_parquet(data / "slices.parquet")


def files_of(work: Path) -> dict[str, bytes]:
    """What the stage left, but its journal and lock."""
    return files_left(work / "data" / "necks", but=("parts", "output.json"))


def rejected(work: Path) -> dict[str, int]:
    return pd.read_csv(work / "data" / "necks" / "rejected.csv")["reason"].value_counts().to_dict()


def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let preparation work without a pool of processes, which takes longer to start than these files to read."""

    def at_once(work: Callable[[Any], Any], chunks: Iterable[Any], _refuse: object, **_pool: object) -> Iterator[Any]:
        return map(work, chunks)

    for module in (prepare_files, segmentations):
        monkeypatch.setattr(module, "run_chunks", at_once)
