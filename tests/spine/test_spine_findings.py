"""Answers for people: one row per study, slices by the numbers of their files, and what a study is outside of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.tables import STUDY_SCHEMA
from hounsfield.core.evaluation.calibration import Calibration, NameCalibration
from hounsfield.core.evaluation.calibrators import Calibrator
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.evaluation.findings import REFUSED_COLUMNS
from hounsfield.core.stages.upstream import Upstream
from hounsfield.spine.box_quality import PEAKS
from hounsfield.spine.domain import noted, outside, training_facts
from hounsfield.spine.findings import Answers, printed, study_table, write_answers, write_identified, write_out_of_fold

COUNT = 30


def made_studies(*names: str) -> pd.DataFrame:
    row = dict.fromkeys(STUDY_SCHEMA.names) | {"slices": COUNT, "slice_spacing_mm": 2.0, "flags": "", "fold": 1}
    return pd.DataFrame([row | {"study_uid": name} | dict.fromkeys(NAMES, 0.0) for name in names])


def made_slices(*names: str) -> pd.DataFrame:
    """Files that are numbered from the feet to the head, against the order of the volume."""
    rows = [(name, n, COUNT - n, f"{name}/=CMD/{COUNT - n}.dcm") for name in names for n in range(COUNT)]
    return pd.DataFrame(rows, columns=["study_uid", "slice", "slice_number", "path"])


def made_boxes(*names: str, presence: float = 0.9, fallback: bool = False) -> pd.DataFrame:
    row = {"x0": 3.0, "y0": 4.0, "x1": 20.0, "y1": 22.0, "first_slice": 5, "last_slice": 24}
    return pd.DataFrame([{"study_uid": name, **row, "presence": presence, "fallback": fallback} for name in names])


def made_peaks(*names: str) -> pd.DataFrame:
    return pd.DataFrame([range(6, 20, 2)] * len(names), index=list(names), columns=list(PEAKS))


def made_answers(*names: str, **more: object) -> Answers:
    probabilities = np.linspace(0, 1, 8 * len(names)).reshape(-1, 8)
    values = {"trained_on": "somewhere", **more}
    return Answers(
        made_studies(*names),
        made_slices("other", *names),
        probabilities,
        made_boxes("other", *names),
        made_peaks(*names),
        **values,
    )  # type: ignore[arg-type]


def test_a_study_has_one_row_and_its_slices_the_numbers_of_their_files() -> None:
    table = study_table(made_answers("b", "a"))
    assert table["study"].tolist() == ["b", "a"]
    assert table.loc[1, list(NAMES)].to_numpy(float) == pytest.approx(np.linspace(0, 1, 16)[8:])
    # rows 5 and 24 of the volume, and 6, 8, ... of the peaks, are files 25 and 6, and 24, 22, ...
    assert table.loc[0, ["first_slice", "last_slice", *PEAKS]].tolist() == [25, 6, 24, 22, 20, 18, 16, 14, 12]
    assert table["folder"].tolist() == ["b/=CMD", "a/=CMD"]


def test_calibrated_values_stand_beside_raw_ones_and_out_of_fold_they_are_the_nested_ones() -> None:
    halving = NameCalibration(Calibrator("isotonic", raw=(0.0, 1.0), calibrated=(0.0, 0.5)), "", 9, 9, 9)
    unknown = NameCalibration(None, "positives of 2 patients", 9, 2, 16)
    calibration = Calibration({"study": {NAMES[0]: halving, **dict.fromkeys(NAMES[1:], unknown)}})

    table = study_table(made_answers("b", "a", calibration=calibration))
    nested = study_table(made_answers("b", "a", calibration=calibration, nested=np.full((2, 8), 0.25)))

    assert table[f"{NAMES[0]}_calibrated"].tolist() == pytest.approx([value / 2 for value in table[NAMES[0]]])
    assert table[f"{NAMES[1]}_calibrated"].isna().all()
    assert table["calibration"].str.contains("not calibrated: positives of 2 patients").all()
    assert (nested[[f"{name}_calibrated" for name in NAMES]] == 0.25).all().all()


def test_what_is_written_is_harmless_and_every_row_says_what_the_networks_have_learnt_from(tmp_path: Path) -> None:
    answers = made_answers("=b", "a", trained_on=in_words({"data_set": "necks", "drawn": True}, "necks"))
    write_answers(tmp_path, answers, pd.DataFrame([["x/1", "not_dicom", "text"]], columns=list(REFUSED_COLUMNS)))
    table = pd.read_csv(tmp_path / "findings.csv")
    assert table["study"].tolist() == ["'=b", "a"]
    assert table["trained_on"].str.contains("PHANTOMS").all()
    shown = printed(tmp_path)
    assert "PHANTOMS" in shown
    assert "refused 1: not_dicom" in shown
    assert shown.splitlines()[2].split() == ["study", "slices", "box", *NAMES]  # as tables and pages call them
    assert all(f"{value:.3f}" in shown for value in np.linspace(0, 1, 16))


def test_labelled_studies_are_told_with_labels_and_fold(tmp_path: Path) -> None:
    write_out_of_fold(tmp_path / "out.csv", made_answers("a"))
    table = pd.read_csv(tmp_path / "out.csv")
    assert table.loc[0, ["label_patient_overall", "label_C7", "fold"]].tolist() == [0, 0, 1]


def test_ones_own_identifiers_stand_in_a_copy_and_a_header_without_any_keeps_the_pseudonym(tmp_path: Path) -> None:
    answers = made_answers("b", "a")
    write_answers(tmp_path, answers, pd.DataFrame(columns=list(REFUSED_COLUMNS)))
    paths = answers.slices.loc[answers.slices["study_uid"].isin(["a", "b"]), "path"]
    own = pd.DataFrame({"patient_id": "Smith^Jane", "study_uid": "1.2.3"}, index=paths)
    own.loc[own.index.str.startswith("a/"), "study_uid"] = ""
    folder = write_identified(tmp_path, answers.slices, own)
    table = pd.read_csv(folder / "findings.csv")
    assert table["study"].tolist() == ["1.2.3", "a"]
    assert set(table["patient"]) == {"Smith^Jane"}
    assert "Smith" not in (tmp_path / "findings.csv").read_text()


def facts(tmp_path: Path, *, drawn: bool = False) -> dict:
    record = {"facts": {"drawn": drawn}}
    return training_facts(
        Upstream(tmp_path / "necks", tmp_path, record, ""), made_studies("a", "b"), made_boxes("a", "b")
    )


def test_a_head_is_no_neck(tmp_path: Path) -> None:
    found = outside(
        made_studies("head"), made_boxes("head", presence=0.1, fallback=True), made_peaks("head"), facts(tmp_path)
    )
    assert "no neck was found" in found["head"][0]
    assert "how sure the box is 0.1, trained on 0.9 to 0.9" in found["head"]
    assert outside(made_studies("a"), made_boxes("a"), made_peaks("a"), facts(tmp_path)) == {"a": []}


def test_vertebrae_that_stand_in_no_order_are_told_where_a_box_was_found_too(tmp_path: Path) -> None:
    names, peaks = ("a", "b", "slice", "unknown"), made_peaks("a", "b", "slice")
    peaks.loc["b", ["C3_slice", "C4_slice"]] = [12, 10]
    peaks.loc["slice"] = 0
    found = outside(made_studies(*names), made_boxes(*names), peaks, facts(tmp_path))
    assert {name for name, reasons in found.items() if reasons} == {"b"}
    assert "do not stand in order" in found["b"][0]


def test_a_study_of_air_and_one_whose_order_is_guessed_are_told(tmp_path: Path) -> None:
    studies = made_studies("a", "b", "c").assign(flags=["few_slices all_air", "order_guessed", "few_slices"])
    found = outside(studies, made_boxes("a", "b", "c"), made_peaks("a", "b", "c"), facts(tmp_path))
    assert found["a"] == ["No slice shows any tissue"]
    assert found["b"][0].startswith("No positions: the order follows from")
    assert found["c"] == []


def test_a_short_study_is_told_by_the_window_of_the_run_not_by_the_published_one() -> None:
    row = {"slices": 40, "flags": "few_slices thick_slices"}
    thick = "Steps of 5 mm or more between slices"
    assert noted(row, 48) == ["40 slices, fewer than the run's window of 48 has", thick]
    assert noted(row, 40) == [thick]
    assert noted({"slices": 1, "flags": "one_slice all_air"}, 48) == ["The study is a single slice"]


def test_an_unknown_spacing_is_no_finding_and_a_phantoms_model_always_says_so(tmp_path: Path) -> None:
    studies = made_studies("a").assign(slice_spacing_mm=np.nan)
    assert outside(studies, made_boxes("a"), made_peaks("a"), facts(tmp_path)) == {"a": []}
    assert "phantoms" in outside(studies, made_boxes("a"), made_peaks("a"), facts(tmp_path, drawn=True))["a"][0]
    assert outside(studies, made_boxes("a"), made_peaks("a"), None) == {"a": []}
