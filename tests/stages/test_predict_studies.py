from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from conftest import Work, copy_work, work_at
from dicom_files import ct_file
from help_paths import missing
from hounsfield.core.errors import MissingInput, WrongTable, WrongUse
from programs import run_program

PREDS = "preds/hemorrhage/mini"


def series(folder: Path, name: str, slices: int = 4, **elements: object) -> None:
    """A series in files with names as hospitals have them; every picture is another one."""
    folder.mkdir(parents=True, exist_ok=True)
    for z in range(slices):
        own = {"ImagePositionPatient": [0, 0, 5 * z], "SOPInstanceUID": f"1.2.{sum(name.encode())}.{z}"}
        uids = {"StudyInstanceUID": f"1.3.{sum(name.encode())}", "SeriesInstanceUID": f"1.4.{sum(name.encode())}"}
        pixels = (np.arange(64 * 64).reshape(64, 64) % (90 + z) + 1024 + len(name)).astype(np.uint16)
        (folder / f"IM{z}").write_bytes(ct_file(pixels, **{"PatientID": name, **uids, **own, **elements}))


def predict(work: Work, *arguments: object) -> None:
    run_program("predict_study", *work.arguments, *arguments, "--jobs", 1)


@pytest.fixture
def work(finished: Work, tmp_path: Path) -> Work:
    made = work_at(tmp_path / "work")
    copy_work(finished, made)
    return made


def test_a_folder_a_zip_and_a_file_with_junk_among_them_end_in_a_line_per_study(
    work: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most of the files are refused, and the others are answered all the same."""
    series(tmp_path / "患者 7", "a")
    for number in range(9):
        (tmp_path / "患者 7" / f"cut{number}").write_bytes(ct_file()[:-1000])
    series(tmp_path / "zipped", "b")
    with zipfile.ZipFile(tmp_path / "disc.zip", "w") as disc:
        for path in sorted((tmp_path / "zipped").iterdir()):
            disc.write(path, path.name)
    series(tmp_path / "one", "c", slices=1)
    predict(work, "--fold", 0, 1, tmp_path / "患者 7", "--seed", 1234, tmp_path / "disc.zip", tmp_path / "one/IM0")
    (folder,) = (path.parent for path in (work.folder / PREDS).glob("*/studies.csv"))
    studies = pd.read_csv(folder / "studies.csv")
    assert sorted(zip(studies["slices"], studies["refused"], strict=True)) == [(1, 0), (4, 0), (4, 9)]
    findings = pd.read_csv(folder / "findings.csv")
    assert sorted(findings["file"]) == sorted(
        [*(f"患者 7/IM{z}" for z in range(4)), *(f"disc.zip/IM{z}" for z in range(4)), "one/IM0"]
    )
    assert len(pd.read_csv(folder / "refused.csv")) == 9
    shown = capsys.readouterr().out
    assert all(study in shown for study in studies["study"])
    assert "PHANTOMS" in shown
    assert f"findings: {folder / 'findings.csv'}" in shown


def test_answers_by_some_of_a_runs_models_say_that_all_were_measured(work: Work, tmp_path: Path) -> None:
    series(tmp_path / "ct", "a", slices=1)
    for folds, said in (((0, 1), ""), ((1,), "measured with the models of folds 0 1; here those of 1 answer")):
        predict(work, "--fold", *folds, "--no-pages", tmp_path / "ct", "--apply-to", f"by{len(folds)}")
        words = pd.read_csv(work.folder / PREDS / f"by{len(folds)}/studies.csv")["scored_on"][0]
        assert words.partition("; thresholds, rates and calibration were ")[2] == said


@pytest.mark.slow
def test_a_folder_is_known_again_and_grows_and_another_of_its_name_is_kept_apart(work: Work, tmp_path: Path) -> None:
    first, second = tmp_path / "x/raw", tmp_path / "y/raw"
    series(first, "a")
    series(second, "b")
    predict(work, first)
    (before,) = (work.folder / PREDS).glob("*/findings.csv")
    content = before.read_bytes()
    predict(work, second)
    assert before.read_bytes() == content
    names = {path.parent.name for path in (work.folder / PREDS).glob("*/findings.csv")}
    assert len(names) == 2
    assert "raw" not in names
    assert not (work.folder / "data/raw/slices.parquet").exists()
    series(first / "later", "later")
    predict(work, first)
    assert {path.parent.name for path in (work.folder / PREDS).glob("*/findings.csv")} == names
    assert len(pd.read_csv(before)) == 8
    (first / "IM0").unlink()
    predict(work, first)
    assert len(pd.read_csv(before)) == 7


def test_missing_models_are_named_before_a_file_is_read(prepared: Work, tmp_path: Path) -> None:
    series(tmp_path / "ct", "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInput, match=r"checkpoints/hemorrhage/mini/fold0 is missing; make it with: .*run_12"):
        run_program("predict_study", *work_at(tmp_path / "empty").arguments, tmp_path / "ct")
    assert not (tmp_path / "empty/data").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), WrongUse, r"Which studies\?"),
        (("nowhere",), MissingInput, "nowhere does not exist"),
        ((".", "--apply-to", "phantom"), WrongUse, "--apply-to phantom is not free"),
    ],
)
def test_wrong_use_is_named(finished: Work, arguments: tuple[str, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        predict(finished, *arguments)


@pytest.mark.slow
def test_own_identifiers_are_shown_where_they_are_asked_for_and_nowhere_else(
    work: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series(tmp_path / "ct", "Smith^Jane")
    predict(work, tmp_path / "ct", "--show-identifiers")
    folder = work.folder / PREDS / "ct"
    own = pd.read_csv(folder / "identified/findings.csv")
    assert set(own["patient"]) == {"Smith^Jane"}
    assert own["study"].str.startswith("1.3.").all()
    assert own["series"].str.startswith("1.4.").all()
    listed = work.folder / PREDS / "studies/ct/identified.csv"
    assert list(pd.read_csv(listed)["patient_id"]) == ["Smith^Jane"]
    listed.unlink()
    shutil.rmtree(folder / "identified")
    told = [path for path in work.folder.rglob("*") if path.is_file() and b"Smith^Jane" in path.read_bytes()]
    assert told == []
    assert "Smith" not in capsys.readouterr().out


def labels_of(work: Work, table: Path, archive: Path) -> list[str]:
    """The training labels of a phantom, keyed by SOPInstanceUID. Returns the images."""
    with zipfile.ZipFile(archive) as opened:
        (name,) = (one for one in opened.namelist() if one.endswith("stage_2_train.csv"))
        long = pd.read_csv(opened.open(name)).drop_duplicates()
    parts = long["ID"].str.rsplit("_", n=1, expand=True)
    wide = long.assign(SOPInstanceUID=parts[0], name=parts[1]).pivot(
        index="SOPInstanceUID", columns="name", values="Label"
    )
    wide.to_csv(table)
    return list(wide.index)


def training_headers(archive: Path) -> pd.DataFrame:
    """SOPInstanceUID and StudyInstanceUID of the training slices of a phantom."""
    with zipfile.ZipFile(archive) as opened:
        headers = [pydicom.dcmread(opened.open(name)) for name in opened.namelist() if name.endswith(".dcm")]
    rows = [(str(one.SOPInstanceUID), str(one.StudyInstanceUID)) for one in headers]
    return pd.DataFrame(rows, columns=["SOPInstanceUID", "StudyInstanceUID"])


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Phantoms of other patients by another scanner."""
    path = tmp_path / "second.zip"
    sizes = ("--train-patients", 6, "--test-patients", 0, "--slices", 4, 6, "--size", 128)
    run_program("rsna2019_phantom", "--output", path, *sizes, "--seed", 8, "--noise", 2, "--jobs", 1)
    return path


@pytest.mark.slow
def test_another_labelled_data_set_is_scored_beside_the_out_of_fold_scores(
    work: Work, tmp_path: Path, second: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels_of(work, tmp_path / "labels.csv", second)
    predict(work, second, "--labels", tmp_path / "labels.csv")
    assert missing(work.folder, "run_17_predict_studies.sh", data_set="second", experiment="mini") == []
    table = pd.read_csv(work.folder / PREDS / "second/validation/validation.csv")
    assert list(table["where"]) == ["out of fold: phantom"] * 3 + ["external: second"] * 3
    assert list(table["system"]) == ["prior", "classifier", "bag"] * 2
    own = table[table["where"] == "external: second"]
    assert own["weighted_log_loss"].gt(0).all() and own["low"].isna().all()  # six patients give no interval
    assert set(own["patients"]) == {6}
    assert "external: second" in capsys.readouterr().out
    slices = pd.read_csv(tmp_path / "labels.csv").merge(training_headers(second), on="SOPInstanceUID")
    slices.groupby("StudyInstanceUID")["any"].max().to_csv(tmp_path / "studies.csv")
    predict(work, second, "--labels", tmp_path / "studies.csv")
    table = pd.read_csv(work.folder / PREDS / "second/validation/validation.csv")
    answers = pd.read_csv(work.folder / PREDS / "second/studies.csv")
    assert list(table["where"]) == ["external: second"] * 3
    assert set(table["studies"]) == {int((answers["slices"] > 0).sum())}
    assert "bag, sensitivity / specificity at the thresholds of studies.csv: any " in capsys.readouterr().out


@pytest.mark.slow
def test_labels_of_no_class_of_the_run_are_refused_before_any_file_is_read(work: Work, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("StudyInstanceUID,stroke\n9.9,1\n9.8,0\n")
    (tmp_path / "unread").mkdir()
    with pytest.raises(WrongTable, match=r"labels\.csv: none of its columns is a class of the run"):
        predict(work, tmp_path / "unread", "--labels", tmp_path / "labels.csv")
    assert not (work.folder / "data" / "unread").exists()


@pytest.mark.slow
def test_labels_of_other_files_are_refused_before_the_networks_answer(work: Work, tmp_path: Path, second: Path) -> None:
    (tmp_path / "labels.csv").write_text("StudyInstanceUID,any\n9.9,1\n9.8,0\n")
    with pytest.raises(WrongTable, match=r"labels\.csv: none of its 2 rows fits one of the"):
        predict(work, second, "--labels", tmp_path / "labels.csv")
    assert (work.folder / "data/second/slices.parquet").exists()
    assert not (work.folder / "data/second/embeddings").exists()


@pytest.mark.slow
def test_one_training_patient_smuggled_in_is_refused_by_its_pseudonym(
    work: Work, tmp_path: Path, second: Path, phantom_archive: Path
) -> None:
    labels_of(work, tmp_path / "labels.csv", second)
    (tmp_path / "mixed").mkdir()
    known = pd.read_parquet(work.folder / "data/phantom/slices.parquet")
    patient = known.loc[known["split"] == "train", "patient_id"].iloc[0]
    wanted = set(known.loc[known["patient_id"] == patient, "path"])
    for archive, keep in ((second, lambda name: True), (phantom_archive, lambda name: name in wanted)):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name.endswith(".dcm") and keep(name):
                    (tmp_path / "mixed" / Path(name).name).write_bytes(opened.read(name))
    with pytest.raises(WrongUse, match=r"mini has learnt from 1 of the 7 patients: ID_") as refused:
        predict(work, tmp_path / "mixed", "--labels", tmp_path / "labels.csv")
    here = pd.read_parquet(work.folder / "data/mixed/slices.parquet")
    smuggled = set(here.loc[here["path"].isin({Path(name).name for name in wanted}), "patient_id"])
    assert smuggled.pop() in str(refused.value)
    assert patient not in set(here["patient_id"])  # its pseudonym here is another one
    assert not (work.folder / PREDS / "mixed").exists()
