"""From files to findings and pages: the numbers of the batch path, and harmless whatever the headers say."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from test_predict_studies import series

from conftest import Work, copy_work, work_at
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.evaluation.findings_file import SCHEMA
from programs import run_program

HOSTILE = "=cmd|' \"><script>alert(1)</script>"
HEADER = {
    "PatientName": f"{HOSTILE} Quijano", "StudyDescription": f"{HOSTILE} Dulcinea",
    "SeriesDescription": f"{HOSTILE} Rocinante", "AccessionNumber": "777665544", "InstitutionName": "Toboso",
}  # fmt: skip
UIDS = tuple(f"1.{part}.{sum(b'Sancho')}" for part in (2, 3, 4))  # as `series` numbers them
SECRETS = ("quijano", "dulcinea", "rocinante", "777665544", "toboso", "sancho", *UIDS)


def predict(work: Work, *arguments: object) -> None:
    run_program("predict_study", *work.arguments, *arguments, "--jobs", 1)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, phantom_archive: Path) -> Path:
    """The phantoms' test studies; a study of two series in names that a page and a spreadsheet could run; junk."""
    top = tmp_path_factory.mktemp("given") / "ward"
    with zipfile.ZipFile(phantom_archive) as archive:
        for name in archive.namelist():
            if "stage_2_test" in name and name.endswith(".dcm"):
                archive.extract(name, top / "phantoms")
    hostile = top / HOSTILE.replace("/", "_")
    series(hostile / "one", "Sancho", **HEADER)
    of_the_same = {"PatientID": "Sancho", "StudyInstanceUID": UIDS[1]}
    series(hostile / "two", "Sancho Panza", slices=3, **HEADER, **of_the_same)
    (top / f"{HOSTILE.replace('/', '_')}.txt").write_text("no DICOM")
    return top


@pytest.fixture(scope="module")
def predicted(finished: Work, given: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Work, str]:
    """The work folder after one call, and all that was said."""
    work = work_at(tmp_path_factory.mktemp("predicted") / "work")
    copy_work(finished, work)
    with pytest.MonkeyPatch.context() as patch, Told() as told:
        patch.setattr("builtins.print", lambda *words, **_: told.lines.append(" ".join(map(str, words))))
        predict(work, given)
    return work, "\n".join(told.lines)


class Told(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __enter__(self) -> Told:
        logging.getLogger("hounsfield").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("hounsfield").removeHandler(self)


def out_of(work: Work) -> Path:
    return work.folder / "preds/hemorrhage/mini/studies/ward"


def findings(work: Work) -> Iterator[dict[str, Any]]:
    for path in sorted(out_of(work).glob("*/findings.json")):
        yield json.loads(path.read_text())


def test_the_numbers_are_those_of_the_batch_path_on_the_same_slices(predicted: tuple[Work, str]) -> None:
    work, _ = predicted
    batch = pd.read_parquet(work.folder / "preds/hemorrhage/mini/bag.parquet").set_index("image_id")
    compared = 0
    for found in findings(work):
        assert tuple(found["names"]) == CLASSES
        for one in found["series"]:
            stems = [Path(row["file"]).stem for row in one["slices"]]
            if set(stems) <= set(batch.index):
                expected = batch.loc[stems, list(CLASSES)].to_numpy()
                (bag,) = (model["raw"] for model in one["models"] if model["model"] == "bag")
                np.testing.assert_allclose(bag, expected, atol=1e-6, rtol=0)
                compared += len(stems)
    assert compared == (batch["split"] == "test").sum() > 0


def test_every_study_has_a_row_findings_after_the_schema_and_a_page_per_series(predicted: tuple[Work, str]) -> None:
    work, told = predicted
    table, schema = pd.read_csv(out_of(work) / "studies.csv"), json.loads(SCHEMA.read_text())
    found = {one["study"]: one for one in findings(work)}
    assert list(table["study"]) == list(found) or set(table["study"]) == set(found)
    for row in table.to_dict("records"):
        jsonschema.validate(found[row["study"]], schema)
        folder = out_of(work) / row["study"]
        pages = [one["page"] for one in found[row["study"]]["series"]]
        assert pages == [f"series_{number + 1}.html" for number in range(row["series"])]
        assert sorted(path.name for path in folder.glob("*.html")) == sorted(pages)
        assert len(pd.read_csv(folder / "findings.csv")) == row["slices"]
        assert row["warnings"].startswith("answered by a model of phantoms")
        assert row["study"] in told
    assert sorted(table["series"])[-1] == 2  # the study of two series
    assert list(pd.read_csv(out_of(work) / "refused.csv")["reason"]) == ["not_dicom"]


def test_nothing_of_a_header_is_told_and_hostile_names_are_shown_harmlessly(predicted: tuple[Work, str]) -> None:
    work, told = predicted
    written = {path: path.read_bytes() for path in out_of(work).rglob("*") if path.is_file()}
    for secret in SECRETS:
        assert secret not in told.lower()
        assert [path for path, content in written.items() if secret.encode() in content.lower()] == []
    pages = [content.decode() for path, content in written.items() if path.suffix == ".html"]
    assert any("alert(1)" in page for page in pages)  # of the files' names
    assert not any("<script>alert" in page for page in pages)
    rows = (out_of(work) / "refused.csv").read_text().splitlines()
    assert rows[1].startswith("\"'=cmd|")


def test_the_same_call_does_nothing_twice(predicted: tuple[Work, str], given: Path) -> None:
    work, _ = predicted
    before = {path: path.stat().st_mtime_ns for path in out_of(work).glob("*/[!.]*")}
    predict(work, given)
    assert {path: path.stat().st_mtime_ns for path in out_of(work).glob("*/[!.]*")} == before


@pytest.mark.parametrize("run", [(), ("--run", "checkpoints/hemorrhage/mini")])
def test_missing_models_are_named_before_a_file_is_read(tmp_path: Path, given: Path, run: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInput, match=r"checkpoints/hemorrhage/mini/fold0 is missing; make it with: .*run_12"):
        predict(work_at(tmp_path / "empty"), given, *run)
    assert not (tmp_path / "empty/data").exists()


def test_without_any_run_the_quickstart_is_named(tmp_path: Path, given: Path) -> None:
    with pytest.raises(
        MissingInput, match=r"holds no trained models; train some with: WORK=\S+ sh \S*run_00_quickstart"
    ):
        run_program("predict_study", given, "--work", tmp_path)


def test_runs_that_answer_different_questions_are_not_joined(tmp_path: Path, given: Path) -> None:
    runs = ("--run", "spine/quickstart", "--run", "hemorrhage/quickstart")
    with pytest.raises(WrongUse, match="spine/quickstart and hemorrhage/quickstart answer different questions"):
        run_program("predict_study", given, *runs, "--work", tmp_path)


def test_a_run_that_is_named_twice_counts_once_which_is_said(
    tmp_path: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ("--run", "spine/quickstart", "--run", "checkpoints/spine/quickstart")
    with pytest.raises(MissingInput):
        run_program("predict_study", given, *runs, "--work", tmp_path)
    assert capsys.readouterr().err.count("named twice one counts: spine/quickstart\n") == 1


def test_without_a_path_the_question_is_which_studies(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"Which studies\? .*run_71_predict_study.sh PATH"):
        predict(work_at(tmp_path))
