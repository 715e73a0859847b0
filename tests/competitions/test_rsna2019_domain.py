from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2019.domain import outside, training_facts
from hounsfield.core.dicom.stacks import ORIENTATION
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.stages.upstream import Upstream

AXIAL, SAGITTAL = (1.0, 0, 0, 0, 1, 0), (0, 1.0, 0, 0, 0, -1)


def studies(count: int, *, orientation: tuple[float, ...] = AXIAL, mean: float = -500, part: str = "") -> pd.DataFrame:
    names = np.repeat([f"study{i}" for i in range(count)], 3)
    values = {"hu_mean": mean + np.arange(3 * count), "hu_max": 1800.0, "brain_ratio": 0.3, "body_part": part}
    return pd.DataFrame({"study_uid": names, **dict(zip(ORIENTATION, orientation, strict=True)), **values})


def facts(*, drawn: bool = False) -> dict[str, object]:
    record = {"facts": {"drawn": drawn}}
    return training_facts(Upstream(Path("data/ward"), Path(), record, ""), studies(10))


def test_studies_like_those_that_were_trained_on_raise_no_warning() -> None:
    assert outside(studies(10), facts()) == {f"study{i}": [] for i in range(10)}


@pytest.mark.parametrize(
    ("strange", "words"),
    [
        (studies(1, orientation=SAGITTAL), "90 degrees off axial"),
        (studies(1, mean=200), "mean HU 201, trained on"),
        (studies(1, part="CHEST"), "body part CHEST"),
    ],
)
def test_what_lies_outside_of_the_training_set_is_said_of_the_study(strange: pd.DataFrame, words: str) -> None:
    (reason,) = outside(strange, facts())["study0"]
    assert words in reason


@pytest.mark.parametrize("part", ["HEAD", "BRAIN", ""])
def test_the_head_is_expected_also_where_the_training_set_named_no_body_part(part: str) -> None:
    assert outside(studies(1, part=part), facts())["study0"] == []


def test_slices_without_an_orientation_raise_no_warning_about_it() -> None:
    assert outside(studies(1, orientation=(np.nan,) * 6), facts())["study0"] == []


def test_a_model_of_phantoms_says_so_on_every_study_and_in_words() -> None:
    assert all("model of phantoms" in " ".join(reasons) for reasons in outside(studies(3), facts(drawn=True)).values())
    assert "PHANTOMS" in in_words(facts(drawn=True), "ward")
    assert in_words(facts(), "ward") == "ward"


def test_a_model_without_facts_is_not_called_anything_that_is_not_known() -> None:
    assert outside(studies(1), None) == {}
    assert "not on record" in in_words(None, "ward")
