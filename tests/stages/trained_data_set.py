"""A data set with models trained on it: what its stages refuse, and what their remedies lead to."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from remedies import paste, remedies_in, stage_of

from hounsfield.core.errors import HounsfieldError
from hounsfield.core.stages.ledger import Ledger
from programs import run_program

CLASSIFIER, EMBEDDINGS, SEQUENCE, BAG = TRAINING = (
    "hemorrhage_train_classifier", "hemorrhage_extract_embeddings", "hemorrhage_train_sequence", "hemorrhage_bag"
)  # fmt: skip


PREPARE = "rsna2019_prepare"


class Told(NamedTuple):
    """A work folder, what was prepared into it, and the arguments of every program."""

    work: Path
    archive: Path
    config: Path

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("--config", str(self.config), "--work", str(self.work))

    def run(self, program: str, *more: object) -> None:
        run_program(program, *self.arguments, *more)

    def prepare(self, *more: object) -> None:
        self.run(PREPARE, "--archive", self.archive, "--jobs", 1, *more)

    def refusal(self, program: str, *more: object) -> str:
        """What a program says when it refuses."""
        with pytest.raises(HounsfieldError) as refused:
            self.run(program, *more)
        return str(refused.value)


def follow_remedies(told: Told, program: str, *more: object) -> list[str]:
    """Do what is printed, and try again, until the program has nothing to say against it. Returns what was run."""
    ran = []
    for _ in range(5):
        try:
            told.run(program, *more)
        except HounsfieldError as refused:
            line = remedies_in(refused)[0]
            ran += stage_of(line)
            paste(line)
        else:
            return ran
    raise AssertionError(f"no end: {ran}")


def assert_clean(told: Told, folds: int, patients: int = 12) -> None:
    """Every patient is scored, and by models that have not seen it, as the ledgers of bag and embeddings tell."""
    slices = pd.read_parquet(told.work / "data/phantom/slices.parquet")
    scored = slices[slices["split"] == "train"].drop_duplicates("patient_id")
    assert len(scored) == patients and scored["fold"].nunique() == folds
    bag = Ledger.read(told.work / "preds/hemorrhage/five/learned.parquet")
    for fold in range(folds):
        held_out = scored.loc[scored["fold"] == fold, "patient_id"].to_numpy()
        others = scored.loc[scored["fold"] != fold, "patient_id"].to_numpy()
        embeddings = told.work / f"data/phantom/embeddings/five/fold{fold}/epoch0/learned.parquet"
        for ledger, part in ((bag, f"fold{fold}"), (Ledger.read(embeddings), "")):
            assert set(ledger.roles_of(held_out, part)) == {""}
            assert "" not in set(ledger.roles_of(others, part))
    table = pd.read_csv(told.work / "preds/hemorrhage/five/scores.csv")
    assert set(table["patients"]) == {patients}


# ---- other labels, images, settings


def with_other_labels(archive: Path, target: Path) -> Path:
    """The archive with one more bleed."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename.endswith("stage_2_train.csv"):
                labels = pd.read_csv(io.BytesIO(content))
                image = labels["ID"][labels["Label"] == 0].str.rpartition("_")[0].iloc[0]
                labels.loc[labels["ID"].isin([f"{image}_subdural", f"{image}_any"]), "Label"] = 1
                content = labels.to_csv(index=False).encode()
            new.writestr(member, content)
    return target
