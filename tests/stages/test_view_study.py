"""A study of a finished run as a page: by its name in the run's data set, and by the folder that predicting it left."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import Work, copy_work, work_at
from dicom_files import ct_file
from hounsfield.core.errors import MissingInput, WrongUse
from programs import run_program

RUN = "checkpoints/hemorrhage/mini"
HOSTILE = "\"'><script>alert(1)<!-- =cmd|' "
PREDS = "preds/hemorrhage/mini"


@pytest.fixture(scope="module")
def work(finished: Work, tmp_path_factory: pytest.TempPathFactory) -> Work:
    made = work_at(tmp_path_factory.mktemp("viewed") / "work")
    copy_work(finished, made)
    return made


def view(work: Work, *arguments: object) -> None:
    run_program("view_study", *work.arguments, *arguments)


def view_of(page: Path) -> Any:
    """What the page's scripts read."""
    found = re.search(r'<script type="application/json" id="view">(.*?)</script>', page.read_text())
    assert found
    return json.loads(found.group(1))


def test_a_study_of_the_run_is_shown_with_labels_and_its_out_of_fold_answers(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(work.folder / PREDS / "out_of_fold.csv")
    study = table["study"].iloc[0]
    view(work, "--run", RUN, study)
    rows = table[table["study"] == study]
    folder = work.folder / PREDS / "studies" / "phantom" / study
    pages = sorted(folder.glob("series_*.html"))
    assert len(pages) == rows["series"].nunique()
    for page, (_, series) in zip(pages, rows.groupby("series", sort=False), strict=True):
        assert str(page) in capsys.readouterr().out or len(pages) > 1
        shown = view_of(page)
        np.testing.assert_allclose(shown["models"][-1]["raw"], series[shown["names"]], atol=1e-5)
        np.testing.assert_array_equal(shown["truth"], series[[f"label_{name}" for name in shown["names"]]])


def test_pages_that_are_there_are_not_made_again_unless_forced(work: Work) -> None:
    study = pd.read_csv(work.folder / PREDS / "out_of_fold.csv")["study"].iloc[-1]
    view(work, "--run", RUN, study)
    page = work.folder / PREDS / "studies" / "phantom" / study / "series_1.html"
    written = page.stat().st_mtime_ns
    view(work, "--run", RUN, study)
    assert page.stat().st_mtime_ns == written
    view(work, "--run", RUN, study, "--force")
    assert page.stat().st_mtime_ns > written


def test_a_folder_that_holds_something_else_stays_as_it_is(work: Work, tmp_path: Path) -> None:
    study = pd.read_csv(work.folder / PREDS / "out_of_fold.csv")["study"].iloc[0]
    (tmp_path / "thesis.txt").write_text("mine")
    places = {work.folder / PREDS: "run_15_bagged_submission", tmp_path: "holds thesis.txt"}
    for place, reason in places.items():
        before = sorted(place.iterdir())
        for force in ([], ["--force"]):
            with pytest.raises(WrongUse, match=reason):
                view(work, "--run", RUN, study, "--out", place, *force)
        assert sorted(place.iterdir()) == before


def test_the_folder_of_a_predicted_study_gives_its_pages_anywhere(work: Work, tmp_path: Path) -> None:
    source = tmp_path / "ct"
    source.mkdir()
    for z in range(4):
        own = {"ImagePositionPatient": [0, 0, 5 * z], "SOPInstanceUID": f"1.2.{z}", "SeriesInstanceUID": "1.4"}
        pixels = (np.arange(64 * 64).reshape(64, 64) % (90 + z) + 1024).astype(np.uint16)
        texts = dict.fromkeys(("PatientName", "StudyDescription", "SeriesDescription"), f"{HOSTILE}secret")
        (source / f"{HOSTILE}{z}").write_bytes(ct_file(pixels, StudyInstanceUID="1.3", **own, **texts))
    run_program("predict_study", *work.arguments, "--fold", 0, 1, source, "--run", RUN, "--jobs", 1)
    (folder,) = (work.folder / PREDS / "studies" / "ct").glob("*/")
    view(work, folder)
    view(work, folder, "--out", tmp_path / "elsewhere")
    shown, again = view_of(folder / "series_1.html"), view_of(tmp_path / "elsewhere" / "series_1.html")
    assert shown == again
    assert shown["files"] == [f"{HOSTILE}{z}" for z in range(4)]
    page = (folder / "series_1.html").read_text()
    assert "secret" not in page  # a header's text
    assert "<script>alert" not in page
    record = json.loads((folder / "output.json").read_text())
    assert record["stage"] == "run_71_predict_study"  # which knows it again
    (folder / "findings.json").unlink()
    with pytest.raises(MissingInput, match=r"findings.json is missing or cut; start the command of run_71"):
        view(work, folder)


def test_a_study_or_a_folder_that_is_not_there_is_refused_with_a_remedy(work: Work, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"no answers for a study nobody; it has ID_\w+, "):
        view(work, "--run", RUN, "nobody")
    with pytest.raises(WrongUse, match=r"no answers for a study no\\nbody; it has ID_\w+, "):
        view(work, "--run", RUN, "no\nbody")
    with pytest.raises(WrongUse, match=r"holds no finished findings.json.*run_71_predict_study.sh"):
        view(work, tmp_path)
    with pytest.raises(WrongUse, match="names no run"):
        view(work, "--run", "quick", "nobody")
    with pytest.raises(WrongUse, match="other names no run that has trained models"):
        view(work, "--run", "checkpoints/hemorrhage/other", "nobody")
