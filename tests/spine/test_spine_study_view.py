"""Answered necks a study at a time: the numbers of stage 56, the volume, and what can be laid over it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from spine_runs import NAME

import dicom_files
import rsna2022_prepare
from chest_films import chest, film_file
from hounsfield.competitions.rsna2022.labels import NAMES, VERTEBRAE
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.calibration import Calibration, NameCalibration, OperatingPoint, Worth
from hounsfield.core.evaluation.calibrators import Calibrator
from hounsfield.core.evaluation.findings_file import SCHEMA, findings_json
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.evaluation.study_findings import StudyFindings
from hounsfield.core.imaging.series_view import HOUNSFIELD, Boxes, Curves, Overlay
from hounsfield.core.intake import prepare_files
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.stages.paths_given import add_study_options
from hounsfield.core.storage.files import read_json
from hounsfield.spine import slice_heads
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig
from hounsfield.spine.remedies import SpineCommand
from hounsfield.spine.study_view import VOLUME, NeckAnswers, models_of, open_view, predict_paths
from neck_files import COLUMNS, ROWS, neck, slice_hu, write_files
from spine.made_data import DATA_SET, made_neck

STAGE = Stage(SpineConfig, "", DEFAULT_CONFIG, role="applies", single=True)
WORTH = Worth(0.75, 0.5, 0.9, 6, 8)
SEGMENTED, UNSEGMENTED, TEST = "1.2.001", "1.2.005", "1.2.006"  # the first fractured, all made up


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, finished_necks: Path) -> Path:
    """A finished run, to which own studies are added. Tests that change something else copy the work folder first."""
    return shutil.copytree(finished_necks, tmp_path_factory.mktemp("view") / "work")


def command_in(work: Path) -> SpineCommand:
    """As a program for every system reads it: without the options that stage 56 alone has."""
    parser = stage_parser(STAGE)
    add_study_options(parser)
    return parse(parser, STAGE, ["--config", str(work / f"{NAME}.yaml"), "--work", str(work)])


def predicted(work: Path, folder: Path) -> NeckAnswers:
    """What the run says of a folder; without a pool of processes, which takes longer to start than this takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare_files, "run_chunks", lambda prepare, chunks, *_, **__: map(prepare, chunks))
        return predict_paths(command_in(work), [str(folder)], rsna2022_prepare.read_command)


@pytest.fixture(scope="module")
def own(work: Path) -> NeckAnswers:
    """The run's own data set."""
    return open_view(command_in(work))


@pytest.fixture(scope="module")
def given(work: Path) -> NeckAnswers:
    """Two studies of one's own with a chest film among them, one of them without positions."""
    files = {f"ward/{number}.dcm": data for number, data in neck(14, "1.2.7", patient="Smith^Jane").items()}
    unplaced = neck(9, "1.2.8", ImagePositionPatient=None, ImageOrientationPatient=None)
    files |= {f"other/{number}.dcm": data for number, data in unplaced.items()}
    folder = write_files(work / "given", {**files, "ward/film.dcm": film_file(chest())})
    return predicted(work, folder)


def by_slices(view: NeckAnswers, count: int) -> tuple[str, StudyFindings]:
    """The study of so many slices."""
    for study in view.studies:
        found = view.findings(study)
        if len(found.series[0].slices) == count:
            return study, found
    raise AssertionError(f"no study of {count} slices")


def answers(found: StudyFindings) -> list[float]:
    assert [answer.label for answer in found.answers] == list(NAMES)
    return [answer.raw for answer in found.answers]


def overlay(overlays: list[Overlay], name: str) -> Overlay:
    return next(one for one in overlays if one.name == name)


def test_answers_are_those_of_stage_56_for_test_studies_and_out_of_fold(work: Path, own: NeckAnswers) -> None:
    folder = work / "preds" / "spine" / NAME
    tables = [pd.read_csv(folder / name, dtype={"study": str}) for name in ("findings.csv", "out_of_fold.csv")]
    rows = pd.concat(tables).set_index("study")
    assert own.studies == sorted(rows.index)
    for study in own.studies:
        found = own.findings(study)
        assert answers(found) == pytest.approx(rows.loc[study, list(NAMES)].to_numpy(float), abs=1e-6)
        assert "; ".join(found.warnings).startswith(str(rows.loc[study, "warnings"]).replace("nan", ""))
        assert found.runs[0].trained_on == rows.loc[study, "trained_on"]


def test_answers_of_given_studies_are_those_of_stage_56(work: Path, given: NeckAnswers) -> None:
    table = pd.read_csv(given.answers.folder / "findings.csv", dtype={"study": str}).set_index("study")
    assert len(given.studies) == 2
    for study in given.studies:
        assert answers(given.findings(study)) == pytest.approx(table.loc[study, list(NAMES)].to_numpy(float), abs=1e-6)
    assert not (given.answers.folder / "pictures").exists() or not list((given.answers.folder / "pictures").iterdir())
    assert "Smith" not in json.dumps([findings_json(given.findings(study), {}) for study in given.studies])


def test_findings_fit_their_schema(own: NeckAnswers, given: NeckAnswers) -> None:
    schema = read_json(SCHEMA)
    for found in (own.findings(SEGMENTED), own.findings(TEST), given.findings(given.studies[0])):
        jsonschema.validate(findings_json(found, {VOLUME: "series_1.html"}), schema, jsonschema.Draft202012Validator)


def test_an_answer_says_that_it_is_the_study_heads_and_what_that_is_worth_out_of_fold(
    work: Path, own: NeckAnswers, given: NeckAnswers
) -> None:
    bag = read_scores(work / "preds" / "spine" / NAME / "scores.csv").iloc[-1]
    for found, networks in ((own.findings(SEGMENTED), 2), (given.findings(given.studies[0]), 4)):
        how = found.answers[0].how
        assert how.startswith(f"study head: mean of {networks} networks that see the whole neck; ")
        assert f"study loss {bag['study_loss']:.3f} (95 % interval {bag['low']:.3f} to {bag['high']:.3f})" in how
        assert found.runs[0].scored_on == (
            "6 out-of-fold studies of 6 patients (second-order leak: pseudo-labels, boxes)"
        )
        assert len(found.runs[0].models) == networks
    assert all("fold1" in folder for folder in own.findings(SEGMENTED).runs[0].models)  # that have not seen it
    assert {name: value for name, value in own.findings(SEGMENTED).truth.items() if value} == dict.fromkeys(
        ("patient_overall", "C1"), 1.0
    )
    assert own.findings(TEST).truth == {}


def test_the_runs_calibration_is_for_studies_that_it_has_not_learnt_from(own: NeckAnswers) -> None:
    points = tuple(OperatingPoint(name, at, None, None, WORTH, WORTH) for name, at in (("youden", 0), ("rest", 1.1)))
    halving = NameCalibration(Calibrator("isotonic", raw=(0.0, 1.0), calibrated=(0.0, 0.5)), "", 9, 9, 9, points=points)
    unknown = NameCalibration(None, "positives of 2 patients", 9, 2, 16)
    calibration = Calibration({"study": {NAMES[0]: halving, **dict.fromkeys(NAMES[1:], unknown)}})
    view = replace(own, worth=replace(own.worth, calibration=calibration))
    first, *others = view.findings(TEST).answers
    assert first.calibrated == pytest.approx(first.raw / 2)
    assert [(point.name, point.met, point.sensitivity_interval) for point in first.points] == [
        ("youden", True, (0.5, 0.9)), ("rest", False, (0.5, 0.9)),
    ]  # fmt: skip
    assert {one.calibrated for one in others} == {None}
    assert first.how.endswith("; calibration: isotonic regression")
    assert others[0].how.endswith("; calibration: not calibrated: positives of 2 patients")
    learned = view.findings(SEGMENTED).answers[0]
    assert learned.calibrated is None  # stage 56 has told none out of fold
    assert learned.how.endswith("; calibration: none of this study, which took no part in it")


def test_slices_stand_from_head_to_feet_with_file_and_place(given: NeckAnswers) -> None:
    study, found = by_slices(given, 14)
    slices = found.series[0].slices
    assert slices["file"].tolist() == [f"ward/{number}.dcm" for number in range(1, 15)]
    assert slices["position_mm"].tolist() == [100 - 3 * number for number in range(14)]
    assert slices["order"].tolist() == list(range(14))
    assert slices["image_id"].tolist()[:2] == [f"{study}/1", f"{study}/2"]
    assert found.refused["reason"].tolist() == ["modality"]
    assert not any("window" in warning for warning in found.warnings)  # the run's is of 12 slices


def test_pixels_are_hounsfield_units_and_letters_stand_only_where_the_header_says_where_the_patient_lies(
    given: NeckAnswers,
) -> None:
    study, _ = by_slices(given, 14)
    pixels = given.pixels(study, VOLUME)
    assert (pixels.values == np.stack([slice_hu(number) for number in range(14)])).all()
    assert (pixels.unit, pixels.pixel_mm, pixels.letters) == (HOUNSFIELD, (2.0, 2.0), ("R", "L", "A", "P"))
    assert pixels.values.shape == (14, ROWS, COLUMNS)
    assert isinstance(pixels.values, np.memmap)
    assert given.pixels(by_slices(given, 9)[0], VOLUME).letters is None


def test_a_mirrored_series_is_turned_so_that_its_letters_are_right(work: Path) -> None:
    """Rows that run to the patient's right: the picture is turned by preparation, and R stays at the left edge."""
    mirrored = neck(8, "1.2.9", ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])
    folder = write_files(work / "mirrored", {f"{number}.dcm": data for number, data in mirrored.items()})
    view = predicted(work, folder)
    pixels = view.pixels(view.studies[0], VOLUME)
    assert (pixels.values[3] == slice_hu(3)[:, ::-1]).all()
    assert pixels.letters == ("R", "L", "A", "P")


def test_the_box_lies_in_the_slices_of_its_range_alone(work: Path, own: NeckAnswers) -> None:
    row = pd.read_csv(work / "preds" / "spine" / NAME / "out_of_fold.csv").set_index("study").loc[UNSEGMENTED]
    count = len(own.findings(UNSEGMENTED).series[0].slices)
    boxes = [one for one in own.overlays(UNSEGMENTED, VOLUME) if isinstance(one, Boxes)]
    assert len(boxes) == 1
    assert boxes[0].name.startswith("no neck found" if row["fallback"] else "neck")
    shown = ~np.isnan(boxes[0].corners).any(axis=1)
    first, last = count - row["first_slice"], count - row["last_slice"]  # numbers run from the feet
    assert np.flatnonzero(shown).tolist() == list(range(int(first), int(last) + 1))
    assert boxes[0].corners[shown][0].tolist() == row[["x0", "y0", "x1", "y1"]].tolist()


def test_curves_peak_where_stage_56_says_and_a_segmentation_is_shown_beside_what_was_found(
    work: Path, own: NeckAnswers
) -> None:
    overlays = own.overlays(SEGMENTED, VOLUME)
    curves = overlay(overlays, "vertebrae, ratio network")
    row = pd.read_csv(work / "preds" / "spine" / NAME / "out_of_fold.csv").set_index("study").loc[SEGMENTED]
    count = len(curves.values)
    assert isinstance(curves, Curves)
    assert curves.labels == VERTEBRAE
    assert (count - curves.values.argmax(axis=0)).tolist() == row[[f"{name}_slice" for name in VERTEBRAE]].tolist()
    vertebrae = made_neck(1, count).vertebrae
    true = overlay(overlays, "vertebrae, segmentation").values
    voxels = np.stack([(vertebrae == place).sum(axis=(1, 2)) for place in range(1, 8)], axis=1)
    assert true == pytest.approx(voxels / voxels.max(axis=0), abs=1e-6)
    corners = overlay(overlays, "segmentation").corners
    y, x = np.nonzero(vertebrae[count // 2])
    assert corners[count // 2].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert np.isnan(corners[0]).all()


def test_slices_have_the_words_of_the_fracture_networks_that_have_not_seen_the_study(own: NeckAnswers) -> None:
    found = own.findings(SEGMENTED)
    models = {one.model: one.raw for one in found.series[0].models}
    mean = models.pop("mean of the fracture networks")  # what a slice is answered with, and what is blended of two runs
    assert found.series[0].models[-1].model == "mean of the fracture networks"
    assert list(models) == ["fracture network one", "fracture network two"]
    np.testing.assert_allclose(mean, np.mean(list(models.values()), axis=0), atol=1e-7)
    for values in models.values():
        assert values.shape == (len(found.series[0].slices), 8)
        assert ((values >= 0) & (values <= 1)).all()
    assert not np.allclose(*models.values())


def test_values_of_slices_are_computed_once_and_anew_by_other_networks(
    work: Path, tmp_path: Path, own: NeckAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [one.raw for one in own.findings(TEST).series[0].models]
    copied = shutil.copytree(work, tmp_path / "work")
    with monkeypatch.context() as patch:
        patch.setattr(slice_heads, "_predictions", None)
        again = [one.raw for one in open_view(command_in(copied)).findings(TEST).series[0].models]
    assert all((one == other).all() for one, other in zip(before, again, strict=True))
    shutil.rmtree(copied / "checkpoints" / "spine" / NAME / "fracture" / "two")
    (left,) = open_view(command_in(copied)).findings(TEST).series[0].models
    assert (left.raw == before[0]).all()


def test_without_fracture_networks_there_are_no_values_of_slices_and_the_answers_stay(
    work: Path, tmp_path: Path, own: NeckAnswers
) -> None:
    copied = shutil.copytree(work, tmp_path / "work")
    shutil.rmtree(copied / "checkpoints" / "spine" / NAME / "fracture")
    found = open_view(command_in(copied)).findings(SEGMENTED)
    assert found.series[0].models == []
    assert answers(found) == answers(own.findings(SEGMENTED))


def test_a_volume_that_is_not_the_one_that_was_prepared_is_refused(work: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(work, tmp_path / "work")
    path = volume_path(copied, DATA_SET, TEST)
    volume = np.load(path)
    volume[3, 3, 3] += 1
    np.save(path, volume)
    with pytest.raises(BadInput, match=r"1\.2\.006\.npy is not the volume that was prepared"):
        open_view(command_in(copied)).pixels(TEST, VOLUME)


def test_a_chest_film_is_refused_with_its_reason(work: Path) -> None:
    folder = write_files(work / "films", {"a.dcm": film_file(chest())})
    with pytest.raises(WrongUse, match=r"films: the one file is not usable: modality CR"):
        predicted(work, folder)
    assert not (work / "data" / "films").exists()


def test_every_network_that_answers_is_named_and_a_missing_one_stops_before_a_file_is_read(
    work: Path, tmp_path: Path
) -> None:
    places = {one.folder.relative_to(work).parts[3] for one in models_of(command_in(work))}
    assert places == {"boxes", "vertebrae", "study"}
    copied = shutil.copytree(work, tmp_path / "work")
    shutil.rmtree(copied / "checkpoints" / "spine" / NAME / "study" / "two")
    with pytest.raises(MissingInput, match="run_55_spine_study"):
        models_of(command_in(copied))
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "a.dcm").write_bytes(dicom_files.ct_file())
    with pytest.raises(MissingInput, match="run_55_spine_study"):
        predicted(copied, tmp_path / "ct")
    assert not (copied / "data" / "ct").exists()
