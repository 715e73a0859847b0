"""Stage 18 on a finished run: what it rests on, and which of its models have seen which patients."""

from __future__ import annotations

import pandas as pd
import pytest

from conftest import Work
from hounsfield.core.errors import MissingInput
from programs import run_program

RUN = "hemorrhage/mini"


def printed(capsys: pytest.CaptureFixture[str], work: Work, *arguments: str) -> str:
    run_program("ledger", *arguments, "--work", work.folder)
    return capsys.readouterr().out


def test_a_run_rests_on_its_data_its_classifiers_and_its_sequence_networks(
    finished: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = printed(capsys, finished, f"preds/{RUN}").partition("\n\nPatients seen")[0]
    for place in ("data/phantom  by", f"checkpoints/{RUN}/fold0  by", f"checkpoints/{RUN}/fold1  by"):
        assert chain.count(place) == 1
    assert chain.count("/sequence_epoch") >= 2


def test_it_says_how_many_patients_each_fold_s_classifier_has_learnt_from(
    finished: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(capsys, finished, f"preds/{RUN}").splitlines()
    slices = pd.read_parquet(finished.folder / "data/phantom/slices.parquet")
    train = slices[slices["split"] == "train"]
    for fold in (0, 1):
        count = train.loc[train["fold"] != fold, "patient_id"].nunique()
        line = next(line for line in lines if line.startswith(f"checkpoints/{RUN}/fold{fold}  train:"))
        assert f"train: {count} (" in line


def test_of_a_patient_it_says_which_models_have_seen_it(finished: Work, capsys: pytest.CaptureFixture[str]) -> None:
    slices = pd.read_parquet(finished.folder / "data/phantom/slices.parquet")
    patient, fold = slices.loc[slices["split"] == "train", ["patient_id", "fold"]].iloc[0]
    lines = printed(capsys, finished, f"preds/{RUN}", "--patient", patient).splitlines()
    assert f"checkpoints/{RUN}/fold{int(fold)}  not seen" in lines
    assert f"checkpoints/{RUN}/fold{1 - int(fold)}  train" in lines


def test_a_run_is_named_by_its_models_folder_as_well(finished: Work, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, finished, f"checkpoints/{RUN}") == printed(capsys, finished, f"preds/{RUN}")


def test_a_folder_that_holds_no_run_is_named_with_one_that_would(finished: Work) -> None:
    with pytest.raises(MissingInput, match=r"preds/nothing holds no finished output.*such as .*preds/hemorrhage"):
        run_program("ledger", "preds/nothing", "--work", finished.folder)
