from __future__ import annotations

import csv
import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from hounsfield.core.evaluation.findings_file import CSV, JSON, SCHEMA, findings_json, study_row, write_findings
from hounsfield.core.evaluation.study_findings import (
    ModelValues,
    PointMet,
    RunFacts,
    SeriesFindings,
    StudyAnswer,
    StudyFindings,
)

NAMES = ("epidural", "any")
HOSTILE = "=cmd|' /C calc'!A0 </script><script>alert(1)</script>.dcm"


def run(name: str = "hemorrhage/toy") -> RunFacts:
    return RunFacts(name, "0" * 64, {"checkpoints/x": "1" * 64}, "toy", "3 studies", [{"loss": np.nan, "patients": 3}])


def findings(file: str = "a.dcm", runs: int = 1) -> StudyFindings:
    """Two slices, the second without a prediction or a position."""
    values = np.array([[0.25, 0.5], [np.nan, np.nan]])
    facts = [run(f"hemorrhage/toy{number}") for number in range(runs)]
    models = [ModelValues(one.name, "bag", values, values / 2) for one in facts]
    models.insert(0, ModelValues(facts[0].name, "classifier", values, None))
    slices = pd.DataFrame(
        {
            "file": [file, "b.dcm"],
            "image_id": ["ID_1", "ID_2"],
            "position_mm": [-1.5, np.nan],
            "order": np.array([0, 1], np.int32),
            "flags": ["odd", ""],
        }
    )
    point = PointMet("youden", 0.4, met=True, sensitivity=0.75, specificity=None, sensitivity_interval=(0.5, 0.9))
    answers = [StudyAnswer(one.name, "any", 0.5, None, "rule: maximum", [point]) for one in facts]
    refused = pd.DataFrame({"path": [file], "reason": ["colour"], "message": ["a colour picture"]})
    series = [SeriesFindings("ID_s", slices, models, np.array([[0, 1], [np.nan, np.nan]]))]
    return StudyFindings(
        "hemorrhage", "ID_t", NAMES, facts, answers, series, {"any": 1.0}, ["odd"], refused, {"predict": 1.5}
    )


def test_the_file_is_what_its_schema_says_and_unknown_numbers_are_null(tmp_path: Path) -> None:
    write_findings(tmp_path, findings(), {"ID_s": "series_1.html"})
    found = json.loads((tmp_path / JSON).read_text(), parse_constant=pytest.fail)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema, jsonschema.Draft202012Validator)
    (series,) = found["series"]
    assert series["models"][1]["raw"] == [[0.25, 0.5], [None, None]]
    assert series["slices"][1]["position_mm"] is None
    assert series["page"] == "series_1.html"
    assert found["runs"][0]["scores"] == [{"loss": None, "patients": 3}]
    assert found["answers"][0]["points"][0]["sensitivity_interval"] == [0.5, 0.9]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "1 was expected"),
        ({"study": ""}, "should be non-empty|is too short"),
        ({"truth": {"any": 1.5}}, "greater than the maximum"),
        ({"patient": "x"}, "Additional properties are not allowed"),
        ({"seconds": {"predict": "long"}}, "is not of type 'number'"),
    ],
)
def test_the_schema_refuses_what_no_findings_file_holds(change: dict[str, object], message: str) -> None:
    schema = json.loads(SCHEMA.read_text())
    with pytest.raises(jsonschema.ValidationError, match=message):
        jsonschema.validate({**findings_json(findings(), {}), **change}, schema)


def test_a_row_per_slice_holds_every_model_and_a_hostile_name_is_no_formula(tmp_path: Path) -> None:
    write_findings(tmp_path, findings(HOSTILE), {})
    with (tmp_path / CSV).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"'{HOSTILE}", "b.dcm"]
    assert (rows[0]["classifier_any"], rows[0]["bag_any"], rows[0]["bag_any_calibrated"]) == (
        "0.500000",
        "0.500000",
        "0.250000",
    )
    assert "classifier_any_calibrated" not in rows[0]
    assert (rows[1]["bag_any"], rows[1]["flags"], rows[0]["flags"]) == ("", "", "odd")
    assert json.loads((tmp_path / JSON).read_text())["series"][0]["slices"][0]["file"] == HOSTILE


def test_of_two_runs_every_column_says_whose_it_is() -> None:
    row = study_row(findings(runs=2), "ID_t/series_1.html")
    assert row["hemorrhage/toy0 any"] == row["hemorrhage/toy1 any"] == 0.5
    assert row["hemorrhage/toy1 any_reaches"] == "youden"
    assert (row["slices"], row["flagged"], row["refused"], row["page"]) == (2, 1, 1, "ID_t/series_1.html")
    assert "any" in study_row(findings(), "")
