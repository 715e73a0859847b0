"""Studies become folders one by one: what is finished is kept, and several runs stand side by side with their mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from dicom_files import ct_file
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.evaluation.findings_file import JSON, SCHEMA
from hounsfield.core.evaluation.joined_view import JoinedView
from hounsfield.core.evaluation.study_findings import (
    ModelValues,
    RunFacts,
    SeriesFindings,
    StudyAnswer,
    StudyFindings,
)
from hounsfield.core.evaluation.study_outputs import Answered, Pages, answer_studies, studies_folder
from hounsfield.core.evaluation.study_rule import RULE, Answer, StudyRule, write_rule
from hounsfield.core.imaging.series_view import HOUNSFIELD, Contours, Overlay, SeriesPixels
from hounsfield.core.stages.outputs import RECORD, Input, Provenance, output, read_record, record_digest
from hounsfield.core.stages.upstream import Upstream

STAGE = "stage"


class Toy:
    """A run that says the same of every slice (a StudyView)."""

    def __init__(
        self, work: Path, run: str, value: float, studies: Sequence[str] = ("ID_1", "ID_2"), image: str = "ID_i"
    ) -> None:
        self.studies, self.run, self.value, self.image = studies, run, value, image
        inputs = {"data set": {"sha256": "d", "record": "data/given/output.json", "settings": {}}}
        record = {"stage": STAGE, "settings": {"value": value}, "files": {}, "inputs": inputs, "facts": {}}
        self.answers = Upstream(work / "preds" / run / "given", work, record, f"sh bin/{run}.sh")
        self.answers.folder.mkdir(parents=True, exist_ok=True)
        (self.answers.folder / "refused.csv").write_text("path,reason,message\n")

    def findings(self, study: str) -> StudyFindings:
        slices = pd.DataFrame(
            {"file": "a", "image_id": f"{self.image}{study}", "position_mm": 0.0, "order": [0], "flags": ""}
        )
        values = ModelValues(self.run, "bag", np.full((1, 2), self.value), None)
        run = RunFacts(self.run, "0" * 64, {}, "toy", "nothing", [])
        answers = [StudyAnswer(self.run, name, self.value, None, "rule") for name in ("one", "any")]
        return StudyFindings("toy", study, ("one", "any"), [run], answers, [SeriesFindings("ID_s", slices, [values])])

    def pixels(self, study: str, series: str) -> SeriesPixels:
        return SeriesPixels(np.zeros((1, 2, 2), np.int16), HOUNSFIELD, np.zeros(1), None, None)

    def overlays(self, study: str, series: str) -> Sequence[Overlay]:
        return [Contours("outline", ((np.full((3, 2), self.value),),))]


class Drawn:
    """Draws pages of one word, and counts them; stops as if killed before one study."""

    def __init__(self, stop_at: str = "") -> None:
        self.stop_at, self.studies = stop_at, []

    def __call__(self, findings: StudyFindings, place: int, pixels: SeriesPixels, overlays: Sequence[Overlay]) -> str:
        if findings.study == self.stop_at:
            raise KeyboardInterrupt
        self.studies.append(findings.study)
        return findings.study


def answer(
    views: Sequence[Toy],
    drawn: Drawn | None,
    *,
    folder: Path | None = None,
    force: bool = False,
    given: Sequence[Path] = (),
) -> None:
    answered = [Answered(view.run, view, 1.5) for view in views]
    pages = Pages(drawn, lambda place: f"series_{place + 1}.html") if drawn else None
    answer_studies(answered, folder, STAGE, pages, force=force, given=given)


def test_a_batch_that_is_stopped_goes_on_with_the_study_that_was_not_finished(tmp_path: Path) -> None:
    view, first, second = Toy(tmp_path, "toy/a", 0.5, ("ID_1", "ID_2", "ID_3")), Drawn("ID_2"), Drawn()
    with pytest.raises(KeyboardInterrupt):
        answer([view], first)
    answer([view], second)
    assert (first.studies, second.studies) == (["ID_1"], ["ID_2", "ID_3"])
    folder = tmp_path / "preds/toy/a/studies/given"
    table = pd.read_csv(folder / "studies.csv")
    assert list(table["study"]) == ["ID_1", "ID_2", "ID_3"]
    assert list(table["any"]) == [0.5] * 3
    assert all((folder / page).read_text() == study for study, page in zip(table["study"], table["page"], strict=True))
    assert (folder / "refused.csv").exists()
    for study in table["study"]:
        found = json.loads((folder / study / JSON).read_text())
        jsonschema.validate(found, json.loads(SCHEMA.read_text()))
        assert found["seconds"]["predict toy/a"] == 1.5
        assert set(read_record(folder / study)["files"]) == {"findings.json", "findings.csv", "series_1.html"}


def test_other_answers_are_drawn_anew_and_the_same_ones_only_where_that_is_forced(tmp_path: Path) -> None:
    drawn = Drawn()
    for value, force in ((0.5, False), (0.5, False), (0.5, True), (0.75, False)):
        answer([Toy(tmp_path, "toy/a", value, ("ID_1",))], drawn, folder=tmp_path / "out", force=force)
    assert drawn.studies == ["ID_1"] * 3
    found = json.loads((tmp_path / "out/ID_1" / JSON).read_text())
    assert found["answers"][0]["raw"] == 0.75


def test_what_was_begun_with_other_answers_is_begun_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        answer([Toy(tmp_path, "toy/a", 0.5, ("ID_1",))], Drawn("ID_1"), folder=tmp_path / "out")
    assert (tmp_path / "out/ID_1" / RECORD).exists()
    answer([Toy(tmp_path, "toy/a", 0.75, ("ID_1",))], Drawn(), folder=tmp_path / "out")
    assert json.loads((tmp_path / "out/ID_1" / JSON).read_text())["answers"][0]["raw"] == 0.75


@pytest.mark.parametrize(
    "content",
    [b"", b'{"stage": "sta', b"[" * 100_000, b"\xff", b"[1]", b'{"stage": "stage", "settings": [], "inputs": {}}',
     b'{"stage": "stage", "settings": {}, "inputs": {}, "files": {"series_1.html": 1}, "facts": {}}'],
    ids=["empty", "cut", "deep", "no text", "no record", "no settings", "no digests"],
)  # fmt: skip
def test_a_study_whose_record_is_damaged_is_made_again_and_the_others_stay(tmp_path: Path, content: bytes) -> None:
    view = Toy(tmp_path, "toy/a", 0.5)
    answer([view], None, folder=tmp_path / "out")
    (tmp_path / "out/ID_1" / RECORD).write_bytes(content)
    before = (tmp_path / "out/ID_2" / RECORD).stat().st_mtime_ns
    answer([view], None, folder=tmp_path / "out")
    assert set(read_record(tmp_path / "out/ID_1")["files"]) == {"findings.json", "findings.csv"}
    assert (tmp_path / "out/ID_2" / RECORD).stat().st_mtime_ns == before


def test_two_runs_stand_side_by_side_with_their_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    views = [Toy(tmp_path, "toy/a", 0.5), Toy(tmp_path, "toy/b", 0.25)]
    answer(views, Drawn())
    folder = tmp_path / "preds/bags/toy_a_and_toy_b/studies/given"
    assert folder == studies_folder([Answered(view.run, view, 0) for view in views])
    found = json.loads((folder / "ID_1" / JSON).read_text())
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    assert [(one["run"], one["raw"]) for one in found["answers"] if one["label"] == "any"] == [
        ("toy/a", 0.5), ("toy/b", 0.25), ("blend", 0.375)
    ]  # fmt: skip
    assert [(one["run"], one["raw"][0][1]) for one in found["series"][0]["models"]] == [
        ("toy/a", 0.5), ("toy/b", 0.25), ("blend", 0.375)
    ]  # fmt: skip
    assert pd.read_csv(folder / "studies.csv")["blend any"].tolist() == [0.375, 0.375]
    assert "ID_2   blend  0.375  0.375" in capsys.readouterr().out


def test_runs_that_saw_other_slices_are_not_blended(tmp_path: Path) -> None:
    joined = JoinedView([Toy(tmp_path, "toy/a", 0.5), Toy(tmp_path, "toy/b", 0.25, image="ID_j")])
    message = r"toy/a and toy/b see different slices of ID_1; make both anew: sh bin/toy/a.sh --force && sh bin/toy/b"
    with pytest.raises(BadInput, match=message):
        joined.findings("ID_1")


def test_runs_that_prepare_files_otherwise_are_refused_with_what_differs(tmp_path: Path) -> None:
    views = [Toy(tmp_path, "toy/a", 0.5), Toy(tmp_path, "toy/b", 0.25, image="ID_j")]
    for view, order in zip(views, ("normal", "position_xyz"), strict=True):
        view.answers.record["inputs"]["data set"]["settings"] = {"order": order}
    with pytest.raises(WrongUse, match=r"toy/a and toy/b prepare files otherwise .*order.*normal.*position_xyz"):
        JoinedView(views).findings("ID_1")


def test_runs_whose_data_sets_have_other_names_for_the_studies_are_told_why(tmp_path: Path) -> None:
    views = [Toy(tmp_path, "toy/a", 0.5, ("ID_1",)), Toy(tmp_path, "toy/b", 0.25, ("ID_2",))]
    for view, size in zip(views, (64, 128), strict=True):
        view.answers.record["inputs"]["data set"]["settings"] = {"image_size": size}
    with pytest.raises(WrongUse, match=r"prepare files otherwise .*image_size: 64 -> 128"):
        _ = JoinedView(views).studies


def test_only_studies_that_every_run_answers_are_joined(tmp_path: Path) -> None:
    joined = JoinedView([Toy(tmp_path, "toy/a", 0.5, ("ID_2", "ID_1")), Toy(tmp_path, "toy/b", 0.25, ("ID_1",))])
    assert joined.studies == ["ID_1"]
    other = JoinedView([Toy(tmp_path, "toy/a", 0.5, ("ID_2",)), Toy(tmp_path, "toy/b", 0.25, ("ID_1",))])
    with pytest.raises(BadInput, match=r"toy/a/given and .*toy/b/given have no study in common"):
        assert other.studies


def test_what_lies_over_the_slices_is_named_after_its_run(tmp_path: Path) -> None:
    joined = JoinedView([Toy(tmp_path, "toy/a", 0.5), Toy(tmp_path, "toy/b", 0.25)])
    overlays = joined.overlays("ID_1", "ID_s")
    assert [one.name for one in overlays] == ["toy/a outline", "toy/b outline"]
    assert [one.polygons[0][0][0, 0] for one in overlays] == [0.5, 0.25]


def test_whose_study_each_is_stands_in_one_file_and_is_no_formula(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct/a").write_bytes(ct_file(PatientID="=cmd|'/C calc'!A0", StudyInstanceUID="1.9.8"))
    answer([Toy(tmp_path, "toy/a", 0.5, ("ID_1",))], Drawn(), folder=tmp_path / "out", given=[tmp_path / "ct"])
    (row,) = pd.read_csv(tmp_path / "out/identified.csv").to_dict("records")
    assert (row["study"], row["patient_id"], row["study_uid"]) == ("ID_1", "'=cmd|'/C calc'!A0", "1.9.8")
    told = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file() and b"1.9.8" in path.read_bytes()]
    assert told == ["identified.csv"]


def test_without_pages_there_are_findings_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer([Toy(tmp_path, "toy/a", 0.5, ("ID_1",))], None, folder=tmp_path / "out")
    assert set(read_record(tmp_path / "out/ID_1")["files"]) == {"findings.json", "findings.csv"}
    assert json.loads((tmp_path / "out/ID_1" / JSON).read_text())["series"][0]["page"] is None
    assert ".html" not in capsys.readouterr().out


def finished_blend(work: Path, weights: dict[str, float]) -> None:
    """Finished runs and their blend, whose rule is the maximum with the threshold 0.4."""
    inputs = {}
    for run in weights:
        with output(work / "preds" / run, Provenance(STAGE, {"run": run}, {}), force=True, remedy="") as out:
            out.finish([])
        inputs[run] = Input(record_digest(read_record(work / "preds" / run)))
    folder = work / "preds/bags/named"
    with output(folder, Provenance("bag", {}, inputs), force=True, remedy="") as out:
        answers = {name: Answer(0.4, 0.75, 0.5, 4, 4) for name in ("one", "any")}
        write_rule(folder / RULE, StudyRule(1, answers, "8 out-of-fold studies"))
        out.finish([RULE], facts={"weights": weights})


def blend_of(work: Path) -> StudyAnswer:
    views = [Toy(work, "toy/a", 0.5), Toy(work, "toy/b", 0.25)]
    return JoinedView(views).findings("ID_1").answers[-1]


def test_a_blend_that_was_scored_answers_with_its_weights_and_its_rule(tmp_path: Path) -> None:
    finished_blend(tmp_path, {"toy/b": 0.8, "toy/a": 0.2})
    found = blend_of(tmp_path)
    assert found.raw == pytest.approx(0.2 * 0.5 + 0.8 * 0.25)
    assert found.how.startswith("weights 0.200, 0.800; rule over slices: maximum; 8 out-of-fold studies")
    assert [(point.met, point.sensitivity) for point in found.points] == [(False, 0.75)]


def test_a_blend_of_other_runs_or_of_a_run_that_was_made_anew_is_not_this_one(tmp_path: Path) -> None:
    finished_blend(tmp_path, {"toy/a": 0.2, "toy/c": 0.8})
    assert blend_of(tmp_path).how.endswith("not scored")
    finished_blend(tmp_path, {"toy/a": 0.2, "toy/b": 0.8})
    with output(tmp_path / "preds/toy/a", Provenance(STAGE, {"run": "new"}, {}), force=True, remedy="") as out:
        out.finish([])
    assert blend_of(tmp_path).raw == pytest.approx(0.375)


def test_pages_that_are_there_stay_where_findings_alone_are_asked_for_the_next_time(tmp_path: Path) -> None:
    view = Toy(tmp_path, "toy/a", 0.5)
    answer([view], Drawn(), folder=tmp_path / "out")
    answer([view], None, folder=tmp_path / "out")
    assert (tmp_path / "out/ID_1/series_1.html").exists()
    answer([Toy(tmp_path, "toy/a", 0.75)], None, folder=tmp_path / "out")
    assert not (tmp_path / "out/ID_1/series_1.html").exists()  # they would show other answers
    assert json.loads((tmp_path / "out/ID_1" / JSON).read_text())["answers"][0]["raw"] == 0.75


def test_pages_stay_where_their_pixels_are_gone_and_they_cannot_be_made_anew(tmp_path: Path) -> None:
    view = Toy(tmp_path, "toy/a", 0.5, ["ID_1"])
    arguments = ([Answered("toy/a", view, 1.0)], tmp_path / "out", "run_71", Pages(Drawn(), lambda place: "one.html"))
    answer_studies(*arguments, force=False, given=[])

    def gone(study: str, series: str) -> SeriesPixels:
        raise BadInput("the source is gone")

    view.pixels = gone
    with pytest.raises(BadInput, match="gone"):
        answer_studies(*arguments, force=True, given=[])
    assert (tmp_path / "out" / "ID_1" / "one.html").exists()
    assert read_record(tmp_path / "out" / "ID_1") is not None
