"""The report of a synthetic run, from its files to its page."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bagged_run import make_bag

from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.run_report import FlowStep
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.stages.finished import finished_run
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.core.storage.files import write_json
from hounsfield.hemorrhage import shifts
from hounsfield.hemorrhage.ensemble import BaggedRun
from hounsfield.hemorrhage.report_facts import bagged_runs, report_facts
from hounsfield.report import build
from hounsfield.report import level_numbers as level_numbers_module
from hounsfield.report.build import write_report
from hounsfield.report.card import escaped
from hounsfield.report.flow_diagram import flow_svg
from hounsfield.report.level_charts import level_charts
from hounsfield.report.level_numbers import level_numbers
from hounsfield.systems import SYSTEMS
from programs import load_program, report_run, run_program
from reference import ranking as plain

HOSTILE = "<script>alert('1')</script> & \"quotes\""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 40 patients, reported."""
    work = tmp_path_factory.mktemp("work")
    folder = make_bag(work)
    report_run(folder, work)
    return folder


@pytest.fixture(scope="module")
def numbers(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def answers(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "out_of_fold.csv")


def test_ranking_and_net_benefit_of_every_class_are_those_of_their_definitions(
    folder: Path, numbers: dict[str, Any]
) -> None:
    table = answers(folder)
    for name, own in numbers["levels"]["slice"]["by_name"].items():
        rows = table[name].round(6).tolist(), table[f"label_{name}"].astype(int).tolist()
        bag, curve = own["stages"]["bag"], own["decision_curve"]
        assert bag["auc"] == pytest.approx(plain.area(*rows), abs=1e-4)
        assert bag["average_precision"] == pytest.approx(plain.average_precision(*rows), abs=1e-3)
        for place in (9, 29, 49):
            assert curve["model"][place] == pytest.approx(plain.net_benefit(*rows, (place + 1) / 100), abs=1e-6)


def test_scores_and_prevalence_are_those_of_the_files(folder: Path, numbers: dict[str, Any]) -> None:
    table, scores = answers(folder), read_scores(folder / "scores.csv")
    assert [row["system"] for row in numbers["scores"]] == scores["system"].tolist()
    assert [row["weighted_log_loss"] for row in numbers["scores"]] == pytest.approx(
        scores["weighted_log_loss"].tolist()
    )
    of_all = numbers["levels"]["slice"]["prevalence"][-1]
    assert of_all["positive"]["any"] == int(table["label_any"].sum())
    assert [one["rows"] for one in numbers["levels"]["slice"]["prevalence"]] == [
        *table["fold"].value_counts().sort_index(), len(table),
    ]  # fmt: skip


def test_the_proof_shows_that_no_model_has_seen_a_patient_that_it_is_scored_on(numbers: dict[str, Any]) -> None:
    proof = numbers["ledger"]["proof"]
    assert sum(one["patients"] for one in proof) == 40
    assert {count for one in proof for count in one["seen"].values()} == {0}


def test_the_worst_false_positive_is_the_negative_with_the_highest_probability(
    folder: Path, numbers: dict[str, Any]
) -> None:
    table = answers(folder)
    shown = [one for one in numbers["worst"] if one["name"] == "any" and one["kind"] == "false positive"]
    negative = table[table["label_any"] == 0].sort_values("any", ascending=False, kind="stable")
    assert shown[0]["row"] == negative["image_id"].iloc[0]
    patients = [table.loc[table["image_id"] == one["row"], "study"].item() for one in shown]
    assert len(set(patients)) == len(patients)


def test_gains_of_the_later_stage_are_counted_slice_by_slice(numbers: dict[str, Any]) -> None:
    gain = numbers["later_stage"]["slice"]
    sequence, classifier = (
        next(row["weighted_log_loss"] for row in numbers["scores"] if row["system"] == name)
        for name in (gain["later"], gain["earlier"])
    )
    assert gain["mean_gain"] == pytest.approx(classifier - sequence, abs=1e-7)
    assert gain["helped"] + gain["hurt"] <= gain["rows"] == 240


def test_the_flow_ends_in_what_is_scored(numbers: dict[str, Any]) -> None:
    first, *_, last = numbers["flow"]
    left_out = sum(count for step in numbers["flow"] for _, count in step["left_out"])
    assert first["count"] - left_out == last["count"] == 240


def test_a_data_set_of_an_older_version_says_that_nobody_recorded_its_vendors(numbers: dict[str, Any]) -> None:
    assert numbers["counts"]["manufacturers of the devices, by series"] == {"not recorded by an older version": 45}


def test_the_page_is_one_file_that_asks_nothing_of_a_network(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "default-src 'none'" in html.unescape(page)
    assert re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", page) == []
    assert len(re.findall(r'\bid="([^"]+)"', page)) == len(set(re.findall(r'\bid="([^"]+)"', page)))


def test_figures_lie_beside_the_page_as_png_and_svg(folder: Path) -> None:
    figures = folder / "report"
    vectors, pixels = ({path.stem for path in figures.glob(f"*.{kind}")} for kind in ("svg", "png"))
    assert vectors - {"flow"} <= pixels
    assert {"slice_5_roc", "study_5_decision", "slice_gain", "data_0", "flow"} <= vectors


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "report" in str(path)}
    report_run(folder, folder.parents[2], "--force")
    assert before == {path: path.read_bytes() for path in before}


def test_reliability_is_that_of_the_rows(folder: Path, numbers: dict[str, Any]) -> None:
    table = answers(folder)
    for name, own in numbers["levels"]["slice"]["by_name"].items():
        raw, bins = own["reliability"]["raw"], own["reliability"]["raw"]["bins"]
        labels = table[f"label_{name}"]
        assert raw["brier"] == pytest.approx(float(np.mean((table[name] - labels) ** 2)), abs=1e-5)
        assert sum(bins["rows"]) == len(table)
        assert np.average(bins["observed"], weights=bins["rows"]) == pytest.approx(labels.mean())


def test_each_table_and_chart_says_on_which_rows_it_counts_where_models_have_seen_some_by_design(folder: Path) -> None:
    facts = report_facts(*finished_run(folder.parents[2], folder, ""))
    slices = facts.levels[0]
    seen = np.isin(slices.patients, np.unique(slices.patients)[:15])
    notes = {"slice": "150 out-of-fold slices of 25 patients; without 90 whose patients models have seen"}
    calibration = replace(facts.calibration, notes=notes)
    own = level_numbers(slices, calibration, slices.patients[seen], "boxes")
    assert (
        "all 240 scored slices of 40 patients; what predicts 90 of them has seen their patients, by design (boxes)"
        in own["counted"]["ranking"]
    )
    assert own["counted"]["ranking"] in own["counted"]["reliability"]
    assert notes["slice"] in own["counted"]["points"] and "nested" in own["counted"]["points"]
    *_, (_, charts) = level_charts(slices, own)
    assert all(chart.meaning.endswith("Of 240 slices.") for chart in charts)
    page, card = html.unescape((folder / "report.html").read_text()), (folder / "MODEL_CARD.md").read_text()
    for text in (page, card):
        assert "all 240 scored slices of 40 patients" in text and facts.calibration.notes["slice"] in text


def test_the_card_lists_training_settings_below_the_stage_that_they_are_of(folder: Path) -> None:
    training = next(line for line in (folder / "MODEL_CARD.md").read_text().splitlines() if "- Training: " in line)
    by_stage = dict(part.split(": ", 1) for part in training.removeprefix("- Training: ").split("; "))
    assert {"run_12_trainfull_imgclassifier", "run_14_trainfull_sequential"} <= by_stage.keys()
    assert by_stage["run_12_trainfull_imgclassifier"] != by_stage["run_14_trainfull_sequential"]


def test_every_item_of_a_checklist_is_answered_or_a_visible_blank(folder: Path, numbers: dict[str, Any]) -> None:
    claim, tripod = numbers["checklists"]["CLAIM 2024"], numbers["checklists"]["TRIPOD+AI"]
    assert [item["number"] for item in claim] == [str(n) for n in range(1, 45)]
    assert {re.sub("[a-z]", "", item["number"]) for item in tripod} == {str(n) for n in range(1, 28)}
    blanks = sum(item["answer"] is None for item in [*claim, *tripod])
    page = (folder / "report.html").read_text()
    assert page.count('<span class="blank">to be written</span>') == blanks
    performance = next(item["answer"] for item in claim if item["number"] == "37")
    assert f"{read_scores(folder / 'scores.csv')['weighted_log_loss'].iloc[-1]:.4f}" in performance


def test_the_card_holds_the_numbers_of_the_report_and_marked_blanks(folder: Path, numbers: dict[str, Any]) -> None:
    card = (folder / "MODEL_CARD.md").read_text()
    area = numbers["levels"]["study"]["by_name"]["any"]["stages"]["bag"]["auc"]
    assert numbers["digest"] in card and "| any | " in card and f"{area:.3f}" in card
    assert "Purpose and users: **to be written**" in card


def test_a_card_shows_hostile_texts_as_text() -> None:
    shown = escaped(HOSTILE + "\n| cell | [link](http://a) `code` *bold*")
    assert "<" not in shown and "\n" not in shown
    assert r"\| cell \| \[link\](http://a) \`code\` \*bold\*" in shown


def test_hostile_texts_are_shown_as_text() -> None:
    svg = flow_svg([FlowStep(HOSTILE, 3), FlowStep("left", 2, [(HOSTILE, 1)])])
    assert "<script" not in svg and "&lt;script&gt;" in svg


def test_hostile_names_of_classes_and_rows_are_shown_as_text(folder: Path, tmp_path: Path) -> None:
    work = shutil.copytree(folder.parents[2], tmp_path / "work")
    found, remedy_of = finished_run(work, work / folder.relative_to(folder.parents[2]), "")
    facts = report_facts(found, remedy_of)
    slices = facts.levels[0]
    names = (f"$x_{HOSTILE}", "_hidden", "=cmd|' /C calc'!A0", "a\nb", "../../up", "${jndi}")
    hostile = replace(slices, names=names, ids=np.array([f"{HOSTILE}{n}" for n in range(len(slices.ids))]))
    page = write_report(replace(facts, data_set=HOSTILE, levels=[hostile], flow=[FlowStep(HOSTILE, 1)])).read_text()
    assert "<script" not in page.lower() and "&lt;script&gt;" in page
    assert {path.parent.name for path in page_files(found.folder)} == {"report"}
    assert "<script" not in (found.folder / "MODEL_CARD.md").read_text()


def page_files(folder: Path) -> list[Path]:
    return [path for kind in ("svg", "png") for path in folder.rglob(f"*.{kind}")]


def test_robustness_that_was_not_measured_is_a_visible_blank_with_the_command_or_the_reason(folder: Path) -> None:
    page = html.unescape((folder / "report.html").read_text())
    assert re.search(r'class="blank">Not measured\. .*run_81_report\.sh --shifts', page)
    found, remedy_of = finished_run(folder.parents[2], folder, "")
    facts, program = report_facts(found, remedy_of), load_program("report")
    other = program.with_shifts(SYSTEMS["spine"], facts, remedy_of, compute=False)
    assert "the spine system has no changes" in other.without_shifts
    studies = replace(facts, levels=facts.levels[1:])
    unlike = program.with_shifts(SYSTEMS["hemorrhage"], studies, remedy_of, compute=False)
    assert "not the slice" in unlike.without_shifts
    with pytest.raises(WrongUse, match="--shifts: what is labelled is not the slice"):
        program.with_shifts(SYSTEMS["hemorrhage"], studies, remedy_of, compute=True)


@pytest.mark.slow
def test_a_report_is_written_again_only_when_the_run_or_a_file_of_it_is_another_or_by_force(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "level_charts", lambda *_: [])  # which take longer than all the rest
    monkeypatch.setattr(level_numbers_module, "DRAWS", 4)
    work = shutil.copytree(folder.parents[2], tmp_path / "work")
    run = work / folder.relative_to(folder.parents[2])

    def drawn(*options: str) -> bool:
        for path in (run / "report.html", run / "report" / "flow.svg"):
            os.utime(path, (0, 0)) if path.exists() else None
        run_program("report", "--run", run, "--work", work, *options)
        return (run / "report.html").stat().st_mtime > 0

    assert not drawn()
    assert drawn("--force")
    (run / "report" / "flow.svg").unlink()
    assert drawn()
    (run / "report.html").write_text("another")
    assert drawn()
    record = json.loads((run / "output.json").read_text())
    write_json(run / "output.json", {**record, "settings": {**record["settings"], "noted": "later"}})
    assert drawn() and not drawn()


def test_changed_images_need_the_classifiers_that_read_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def imported(run: Upstream, remedy_of: RemedyOf) -> list[BaggedRun]:
        runs = bagged_runs(run, remedy_of)
        records = [{**one.embeddings.record, "inputs": {}} for one in runs]
        return [
            replace(one, embeddings=replace(one.embeddings, record=record))
            for one, record in zip(runs, records, strict=True)
        ]

    monkeypatch.setattr(shifts, "bagged_runs", imported)
    with pytest.raises(WrongUse, match="came without its classifier"):
        run_program("report", "--run", folder, "--work", folder.parents[2], "--shifts")
