"""Which studies are drawn: by name, or so many from the surest fracture to the least."""

from __future__ import annotations

import pandas as pd
import pytest

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST
from hounsfield.spine.pictures import chosen_studies


def answers(**probabilities: float) -> pd.DataFrame:
    """Studies whose names begin with t are test studies."""
    table = pd.DataFrame({"study_uid": list(probabilities), NAMES[0]: list(probabilities.values())})
    return table.assign(split=[TEST if name.startswith("t") else OUT_OF_FOLD for name in probabilities])


def test_a_number_is_shared_out_over_out_of_fold_studies_by_their_probability() -> None:
    table = answers(a=0.2, b=0.9, c=0.5, d=0.1, e=0.7, test=0.99)
    assert chosen_studies(["3"], table) == ["b", "c", "d"]
    assert chosen_studies(["40"], table) == ["b", "e", "c", "a", "d"]
    assert chosen_studies(["0"], table) == []


def test_where_no_label_is_known_test_studies_are_drawn() -> None:
    assert chosen_studies(["1"], answers(t1=0.2, t2=0.9)) == ["t2"]


def test_studies_that_are_named_are_drawn_whatever_they_are() -> None:
    assert chosen_studies(["test", "a"], answers(a=0.2, test=0.9)) == ["test", "a"]
    with pytest.raises(WrongUse, match="--pictures z: no such study is answered for"):
        chosen_studies(["a", "z"], answers(a=0.2))
