"""Answered films as studies of one slice: the numbers of stages 63 to 65, the film, outlines and map on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pandas as pd
import pytest
from made_data import DATA_SET, SIZE, made_films, made_maps, seeing_map, true_mask
from made_networks import CONFIG, made_part
from test_pneumothorax_stages import SETTINGS, TEST, TRAIN, experiment, sees_and_stops

import dicom_files
import siim2019_prepare
from chest_films import chest, film_file, write_films
from hounsfield.competitions.siim2019.rle import decode
from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.evaluation.findings_file import SCHEMA, findings_json
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.evaluation.study_findings import StudyAnswer
from hounsfield.core.imaging.series_view import GREY, Contours, Heat, Overlay
from hounsfield.core.intake import prepare_files
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.paths_given import add_study_options
from hounsfield.core.storage.files import read_json
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig
from hounsfield.pneumothorax.paths import predictions_folder
from hounsfield.pneumothorax.remedies import PneumothoraxCommand
from hounsfield.pneumothorax.stages import thresholds
from hounsfield.pneumothorax.study_view import FILM, NAME, FilmAnswers, models_of, open_view, predict_paths
from hounsfield.viewer.study_page import study_page
from programs import run_program, work_of

STAGE = Stage(PneumothoraxConfig, "", DEFAULT_CONFIG, role="applies")
RULE = "submission: {triplet: {top: 0.5, area: 0.01, bottom: 0.4}}\n"


def command_in(work: Path, name: str) -> PneumothoraxCommand:
    """As a program for every system reads it."""
    parser = stage_parser(STAGE)
    add_study_options(parser)
    return parse(parser, STAGE, ["--config", str(work / f"{name}.yaml"), "--work", str(work)])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> FilmAnswers:
    """A scored run on made-up maps, with films out of fold and test films."""
    work = tmp_path_factory.mktemp("own")
    made_films(work, train=TRAIN, test=TEST)
    arguments = experiment(work, "one")
    rows = sees_and_stops().rows
    seen = Ledger(rows[rows["role"] == "train"])  # of networks whose epochs no film has chosen: all films calibrate
    made_maps(work, "one", [seeing_map(n) for n in range(TRAIN + TEST)], [0, 1], SETTINGS, seen=seen)
    with pytest.MonkeyPatch.context() as patch:  # pictures take longer than all the rest
        patch.setattr(thresholds, "draw_surface", lambda path, *_: path.write_bytes(b"picture"))
        patch.setattr(work_of("pneumothorax_submit"), "draw_gallery", lambda path, *_: path.write_bytes(b"picture"))
        run_program("pneumothorax_thresholds", *arguments)
        run_program("pneumothorax_submit", *arguments)
    return open_view(command_in(work, "one"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks with random weights, and a rule that is given."""
    work = tmp_path_factory.mktemp("trained")
    made_films(work, train=8, test=2)
    (work / "nets.yaml").write_text(CONFIG + RULE)
    for fold in (0, 1):
        made_part(work, fold)
    return work


def predicted(work: Path, folder: Path) -> FilmAnswers:
    """What the networks say of a folder; without a pool of processes, which takes longer to start than this takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare_files, "run_chunks", lambda prepare, chunks, *_, **__: map(prepare, chunks))
        return predict_paths(command_in(work, "nets"), [str(folder)], siim2019_prepare.read_command)


@pytest.fixture(scope="module")
def given(trained: Path) -> FilmAnswers:
    """Two films of one's own, one of them not square, and a CT slice."""
    lateral = film_file(np.ascontiguousarray(chest(2)[:, :40]), PatientID="c", ViewPosition="LL")
    files = {"a.dcm": film_file(chest(0), PatientID="Smith^Jane"), "c.dcm": lateral, "ct.dcm": dicom_files.ct_file()}
    return predicted(trained, write_films(trained / "ward", files))


def answer(view: FilmAnswers, film: str) -> StudyAnswer:
    (one,) = view.findings(film).answers
    return one


def overlay(view: FilmAnswers, film: str, name: str) -> Overlay:
    return next(one for one in view.overlays(film, FILM) if one.name == name)


def drawn(outlines: Contours, shape: tuple[int, int]) -> np.ndarray:
    """The pixels on the outlines of the one slice and, even-odd, within them."""
    canvas = np.zeros(shape, np.uint8)
    cv2.drawContours(canvas, [(one - 0.5).astype(np.int32) for one in outlines.polygons[0]], -1, 1, cv2.FILLED)
    return canvas.astype(bool)


def test_answers_are_those_of_stage_65(own: FilmAnswers, given: FilmAnswers) -> None:
    for view in (own, given):
        table = pd.read_csv(view.answers.folder / "findings.csv").set_index("film_id")
        for film, row in table.iterrows():
            found = answer(view, str(film))
            assert found.raw == pytest.approx(row["probability"], abs=1e-6)
            assert found.points[0].met == row["pneumothorax"]
            share = f"the mask covers {100 * row['share']:.2f} % of the film"
            assert (share if row["pneumothorax"] else "no pneumothorax by it") in found.how
    assert {answer(own, film).points[0].met for film in own.studies} == {True, False}


def test_calibrated_probabilities_are_those_of_stage_65_and_out_of_fold_by_other_films(own: FilmAnswers) -> None:
    for name in ("findings.csv", "out_of_fold.csv"):
        table = pd.read_csv(own.answers.folder / name).set_index("film_id")
        assert len(table) == (TEST if name == "findings.csv" else TRAIN)
        for film, row in table.iterrows():
            found = own.findings(str(film))
            assert found.answers[0].calibrated == pytest.approx(row["probability_calibrated"], abs=1e-6)
            assert found.series[0].models[0].calibrated.tolist() == [[found.answers[0].calibrated]]
    names = [point.name for point in answer(own, "film000").points]
    assert names == ["rule", "sensitivity_95", "specificity_95", "youden"]


def test_films_out_of_fold_are_answered_by_the_rule_of_the_other_folds_as_scored(own: FilmAnswers) -> None:
    chosen = read_json(own.data.work / "preds/pneumothorax/one/thresholds/rules.json")
    scores = read_scores(own.answers.folder / "scores.csv").set_index("system").loc["nested_rule"]
    films = own.films.films.set_index("film_id")
    shown = {film: answer(own, film).points[0] for film in own.studies}
    for film, point in shown.items():
        fold = films.loc[film, "fold"]
        rule = chosen["everywhere"] if fold < 0 else chosen["by_fold"][str(fold)]
        assert point.threshold == rule["top"]
        assert (point.sensitivity, point.specificity) == (scores["sensitivity"], scores["specificity"])
    positive = [film for film in shown if films.loc[film, "label"] == 1]
    assert np.mean([shown[film].met for film in positive]) == pytest.approx(scores["sensitivity"], abs=1e-6)


def test_a_film_is_a_study_of_one_slice_with_truth_where_it_is_known_and_fits_the_schema(
    own: FilmAnswers, given: FilmAnswers
) -> None:
    schema = read_json(SCHEMA)
    for view, film, truth in ((own, "film000", 1.0), (own, "film001", 0.0), (own, "film026", None), (given, "a", None)):
        found = view.findings(film)
        jsonschema.validate(findings_json(found, {}), schema, jsonschema.Draft202012Validator)
        (series,) = found.series
        assert (found.study, len(series.slices), series.slices.loc[0, "file"]) == (film, 1, f"{film}.dcm")
        assert found.truth == ({} if truth is None else {NAME: truth})
        assert series.truth is None if truth is None else series.truth.tolist() == [[truth]]
        assert series.models[0].raw.tolist() == [[found.answers[0].raw]]
    assert len(own.studies) == TRAIN + TEST


def test_given_films_say_which_networks_answered_what_was_refused_and_what_is_odd(given: FilmAnswers) -> None:
    found = given.findings("c")
    folders = [f"checkpoints/pneumothorax/nets/fold{fold}/part0" for fold in (0, 1)]
    assert list(found.runs[0].models) == folders == [str(one.folder.relative_to(one.work)) for one in
                                                     models_of(command_in(given.data.work, "nets"))]  # fmt: skip
    assert found.runs[0].trained_on == "made (PHANTOMS: drawn images, no patient)"
    assert found.runs[0].scored_on == "the run holds no out-of-fold scores of this rule"
    assert "view LL, which the networks were not trained on (PA)" in found.warnings[0]
    assert given.findings("a").warnings == ["answered by a model of phantoms, drawn images: no finding"]
    assert pd.read_csv(given.answers.folder / "refused.csv")["reason"].tolist() == ["modality"]
    assert "Smith" not in str(findings_json(given.findings("a"), {}))


def test_a_film_is_shown_at_its_own_size_and_as_it_was_prepared_where_its_file_has_gone(
    given: FilmAnswers, tmp_path: Path
) -> None:
    shown = given.pixels("c", FILM)
    assert (shown.values[0] == chest(2)[:, :40]).all()
    assert (shown.values.dtype, shown.unit, shown.pixel_mm, shown.letters) == (np.int16, GREY, None, None)
    assert np.isnan(shown.positions_mm).all()
    other = write_films(tmp_path / "ward", {"c.dcm": film_file(chest(3))})  # under the same name

    def prepared_from(place: Path) -> FilmAnswers:
        record = {**given.data.record, "facts": {"source": ["--images", str(place)]}}
        return replace(given, data=replace(given.data, record=record))

    prepared = prepared_from(tmp_path / "gone").pixels("c", FILM).values
    assert prepared.shape == (1, 48, 40)
    assert 0 < np.abs(prepared[0] - chest(2)[:, :40]).mean() < 12  # it was prepared with 32 pixels a side
    assert (prepared_from(other).pixels("c", FILM).values == prepared).all()


def test_outlines_hold_the_mask_that_is_submitted_and_the_true_one(own: FilmAnswers) -> None:
    texts = pd.read_csv(own.answers.folder / "submission.csv", dtype=str).set_index("ImageId")["EncodedPixels"]
    shape = (2 * SIZE, 2 * SIZE)
    submitted = [film for film in texts.index if decode(texts[film], shape).any()]
    assert submitted
    for film in submitted:
        outlines = overlay(own, film, "mask by the rule")
        assert (drawn(outlines, shape) == decode(texts[film], shape)).all()
        assert all(one.shape[1:] == (2,) for one in outlines.polygons[0])
    true = cv2.resize(true_mask(0).astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0
    found = drawn(overlay(own, "film000", "true mask"), shape)
    assert (found & true).sum() / (found | true).sum() > 0.95
    assert [one.name for one in own.overlays("film001", FILM)] == ["mask by the rule", "probability map"]


def test_the_heat_is_the_map(own: FilmAnswers) -> None:
    heat = overlay(own, "film003", "probability map")
    assert isinstance(heat, Heat)
    assert (heat.label, heat.values.dtype) == (NAME, np.uint8)
    assert (heat.values[0] == seeing_map(3)).all()


def test_a_ct_is_refused_with_its_reason(trained: Path) -> None:
    folder = write_films(trained / "head", {"1.dcm": dicom_files.ct_file()})
    with pytest.raises(WrongUse, match=r"head: the one file is not usable: modality CT"):
        predicted(trained, folder)
    assert not (trained / "data" / "head").exists()


def test_what_is_missing_stops_before_a_film_is_read(tmp_path: Path) -> None:
    (tmp_path / "nets.yaml").write_text(CONFIG)
    with pytest.raises(MissingInput, match=r"part0 is missing; .*run_62_pneumothorax_train"):
        models_of(command_in(tmp_path, "nets"))
    with pytest.raises(MissingInput, match=r"part0 is missing"):
        predicted(tmp_path, write_films(tmp_path / "ward", {"a.dcm": film_file(chest(0))}))
    assert not (tmp_path / "data").exists()
    (tmp_path / "nets.yaml").write_text(f"data_set: {DATA_SET}\nblend: [{{experiment: a, weight: 1}}]\n")
    with pytest.raises(WrongUse, match="nets is a blend"):
        models_of(command_in(tmp_path, "nets"))
    assert not predictions_folder(tmp_path, "nets").exists()


def test_a_page_of_a_film_names_the_rule_that_answers(own: FilmAnswers) -> None:
    study = own.studies[0]
    html = study_page(own.findings(study), 0, own.pixels(study, FILM), own.overlays(study, FILM))
    assert "The rule that answers for the run" in html
