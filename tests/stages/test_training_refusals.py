"""Stages 12 to 14 on what they cannot work with: each refusal names it, and the stage that makes it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from conftest import Work, copy_work, work_at
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.storage.image_files import image_path
from hounsfield.hemorrhage import training
from programs import run_program


@pytest.fixture
def copy(prepared: Work, tmp_path: Path) -> Work:
    """A prepared work folder of the test's own."""
    work = work_at(tmp_path / "work")
    copy_work(prepared, work)
    return work


def test_a_loss_that_is_no_number_stops_naming_the_slices(copy: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "hemorrhage_loss", lambda logits, _, weights: logits.sum(dim=-1) * torch.nan)
    with pytest.raises(BadInput, match=r"the loss is nan on the slices ID_[0-9a-f]{9}, ID_"):
        run_program("hemorrhage_train_classifier", *copy.arguments)


def test_a_damaged_image_stops_training_by_name(copy: Work) -> None:
    rows = pd.read_parquet(copy.folder / "data/phantom/slices.parquet")
    damaged = image_path(copy.folder / "data/phantom/images", rows["image_id"][0])
    damaged.write_bytes(b"no image")
    with pytest.raises(BadInput, match=rf"{damaged.name} is not the image that was written"):
        run_program("hemorrhage_train_classifier", *copy.arguments, "--fold", 0, 1)


@pytest.mark.parametrize(
    ("program", "arguments", "error", "message"),
    [
        ("hemorrhage_train_classifier", ("--fold", 7), WrongUse, "fold 7: there are 2; give 0 to 1, or all"),
        (
            "hemorrhage_extract_embeddings",
            ("--fold", 0),
            MissingInput,
            r"mini/fold0 is missing; make it with: CONFIG=\S+ FOLDS=0 WORK=\S+ sh \S*run_12_",
        ),
        (
            "hemorrhage_train_sequence",
            ("--fold", 0),
            MissingInput,
            r"embeddings/mini/fold0/epoch0 is missing; make it with: CONFIG=\S+ FOLDS=0 WORK=\S+ sh \S*run_13_",
        ),
        (
            "hemorrhage_train_sequence",
            ("--sequence.epochs_to_bag", 9),
            WrongUse,
            r"must be 1 to sequence\.epochs \(3\)",
        ),
        ("hemorrhage_train_classifier", ("--classifier.backbone", "resnet_fifty"), WrongUse, "is not a timm model"),
    ],
)
def test_wrong_use_and_missing_inputs_name_the_remedy(
    copy: Work, program: str, arguments: tuple[object, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_program(program, *copy.arguments, *arguments)
