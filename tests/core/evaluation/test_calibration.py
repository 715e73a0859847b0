"""What is stored with a run about its probabilities reads back as it was, and an older run has none."""

from pathlib import Path

import numpy as np
import pytest

from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.calibration import (
    Calibration,
    NameCalibration,
    OperatingPoint,
    Reliability,
    Worth,
    read_calibration,
    write_calibration,
)
from hounsfield.core.evaluation.calibrators import Calibrator
from hounsfield.core.storage.files import write_json

POINT = OperatingPoint("youden", 0.4, 0.2, 0.5, Worth(0.9, 0.7, 1.0, 9, 10), Worth(None, None, None, 0, 0))
ANY = NameCalibration(
    Calibrator("temperature", temperature=2.0), "", 12, 10, 30,
    Reliability(0.2, 0.5, None, 0.1, 0.4), Reliability(0.1, 1.0, 0.0, 0.1, 0.3), (POINT,),
)  # fmt: skip
EPIDURAL = NameCalibration(None, "positives of 2 patients", 12, 2, 38)
SUBDURAL = NameCalibration(Calibrator("isotonic", raw=(0.2, 0.6), calibrated=(0.1, 0.9)), "", 12, 10, 30)
STORED = Calibration({"slice": {"subdural": SUBDURAL, "any": ANY, "epidural": EPIDURAL}}, {"slice": "40 rows"})


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    write_calibration(tmp_path / "calibration.json", STORED)
    return tmp_path / "calibration.json"


def test_a_calibration_reads_back_as_it_was_written(stored: Path) -> None:
    found = read_calibration(stored)

    assert found.levels == STORED.levels
    assert list(found.levels["slice"]) == ["subdural", "any", "epidural"]  # the order of the columns, not of the file
    assert found.points("slice") == {"subdural": (), "any": (POINT,), "epidural": ()}


def test_each_column_is_calibrated_by_its_own_name(stored: Path) -> None:
    # by hand: isotonic halfway between its two places; the logit of 0.8 is ln 4, half of that is ln 2, so 2 / 3
    found = read_calibration(stored).apply("slice", np.array([[0.4, 0.8, 0.3], [0.7, 0.0, 0.3]]))

    np.testing.assert_allclose(found, [[0.5, 2 / 3, np.nan], [0.9, 0.0, np.nan]], atol=1e-12)


def test_a_level_that_was_not_learnt_is_not_calibrated(stored: Path) -> None:
    found = read_calibration(stored)

    assert np.isnan(found.apply("study", np.full((2, 3), 0.5))).all()
    assert found.points("study") == {}
    assert found.words("study").startswith("not calibrated: ")


def test_the_words_name_each_way_and_why_a_name_has_none(stored: Path) -> None:
    words = read_calibration(stored).words("slice")

    assert words == "subdural isotonic regression; any temperature 2; epidural not calibrated: positives of 2 patients"


def test_an_older_run_without_the_file_is_not_calibrated(tmp_path: Path) -> None:
    found = read_calibration(tmp_path / "calibration.json")

    assert np.isnan(found.apply("slice", np.full((1, 2), 0.5))).all()
    assert "calibration.json" in found.words("slice")


def test_a_file_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    write_json(tmp_path / "calibration.json", {"version": 2})

    with pytest.raises(BadInput, match=r"calibration\.json.* version 2 .*--force"):
        read_calibration(tmp_path / "calibration.json")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(BadInput, match="'beta'"):
        Calibrator.from_json({"method": "beta"})


def test_certain_probabilities_stay_certain_at_any_temperature() -> None:
    found = Calibrator("temperature", temperature=3.0).apply(np.array([0.0, 1.0, np.nan]))

    np.testing.assert_array_equal(found, [0.0, 1.0, np.nan])
