"""What a person names as studies to be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.core.errors import WrongUse
from hounsfield.core.intake.given_studies import Intake, check_given, own_places

INTAKE = Intake(reserved=("theirs",), lists=("images",), places="images")


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_path_is_refused_and_not_read_as_the_folder_that_one_stands_in(
    blank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongUse, match="PATH is blank"):
        check_given([str(tmp_path), blank], "run_17_predict_studies")
    with pytest.raises(WrongUse, match="--images is blank"):
        own_places([blank], tmp_path / "data" / "mine", "mine", INTAKE)
    assert check_given(["."], "run_17_predict_studies") == [Path()]
