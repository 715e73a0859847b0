"""One's own labels through the stages: whose slices are trained on, tested on or neither, and what is said of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import Work, run_stages, work_at
from dicom_files import ct_file
from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.evaluation.scores import read_scores
from hounsfield.core.stages.outputs import read_record
from programs import MINI_CONFIG, run_program

PATIENTS, SLICES = 4, 3
NAMES = ["stroke", "mass"]


def uid(patient: int, z: int) -> str:
    return f"1.2.826.{patient}.{z}"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients of three slices under foreign names."""
    folder = tmp_path_factory.mktemp("ct")
    for patient in range(PATIENTS):
        for z in range(SLICES):
            content = ct_file(
                PatientID=f"MRN {patient}", StudyInstanceUID=f"1.2.{patient}", SeriesInstanceUID=f"1.2.{patient}.7",
                SOPInstanceUID=uid(patient, z), ImagePositionPatient=[0, 0, 5 * z],
            )  # fmt: skip
            (folder / f"Bild_{patient}{z}").write_bytes(content)
    return folder


def by_slice(path: Path, *extra: str, leave_out: tuple[str, ...] = ()) -> Path:
    """A table as Excel writes it where the comma is decimal: the middle slice of each patient is positive."""
    rows = [f'="{uid(p, z)}";{int(z == 1)};{int(z == 1 and p != 2)}' for p in range(PATIENTS) for z in range(SLICES)]
    kept = [row for row in rows if not any(f'"{one}"' in row for one in leave_out)]
    path.write_text("\r\n".join(["\ufeffSOPInstanceUID;stroke;mass", *kept, *extra, ""]), newline="")
    return path


def prepare(work: Work, images: Path, labels: Path, *options: object) -> pd.DataFrame:
    """Stage 01; its slices by file."""
    own = ("--images", images, "--labels", labels, "--data_set", "own", "--jobs", 1)
    run_program("rsna2019_prepare", *work.arguments, *own, *options)
    return pd.read_parquet(work.folder / "data/own/slices.parquet").set_index("path").sort_index()


def test_two_classes_of_ones_own_by_sop_instance_uid_are_in_the_table_and_in_the_record(
    images: Path, tmp_path: Path
) -> None:
    labels = by_slice(tmp_path / "labels.csv", "1.2.3;1;1", leave_out=(uid(1, 2),))
    work = work_at(tmp_path / "work")
    slices = prepare(work, images, labels, "--class-weights", "mass=3")
    assert slices.loc["Bild_01", NAMES].tolist() == [1, 1]
    assert slices.loc["Bild_21", NAMES].tolist() == [1, 0]
    assert "any" not in slices
    stated = read_record(work.folder / "data/own")["settings"]["labels"]
    assert (stated["names"], stated["weights"], stated["any_of"]) == (NAMES, [1, 3], None)
    assert slices["split"].value_counts().to_dict() == {"train": PATIENTS * SLICES - 1, "unlabelled": 1}
    assert slices.loc["Bild_12", NAMES].isna().all()
    assert slices.loc["Bild_12", "fold"] == slices.loc["Bild_11", "fold"]
    assert (work.folder / "data/own/unlabelled.csv").read_text() == "path,reason\nBild_12,no row\n"
    unmatched = pd.read_csv(work.folder / "data/own/labels_unmatched.csv")
    assert unmatched["line"].tolist() == [PATIENTS * SLICES + 1]
    assert unmatched["name"].str.startswith("ID_").all()


def test_folds_are_the_same_in_another_work_folder_with_other_pseudonyms(images: Path, tmp_path: Path) -> None:
    labels = by_slice(tmp_path / "labels.csv")
    first, second = (prepare(work_at(tmp_path / name), images, labels) for name in ("here", "there"))
    assert first["patient_id"].ne(second["patient_id"]).all()
    assert first[["fold", "series"]].equals(second[["fold", "series"]])


def test_labels_by_study_are_refused_until_it_is_said_that_slices_bear_them(images: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = "".join(f"1.2.{patient},{int(patient < 2)}\n" for patient in range(PATIENTS))
    labels.write_text(f"StudyInstanceUID,any\n{rows}")
    work = work_at(tmp_path / "work")
    with pytest.raises(BadInput, match=r"labels\.csv labels whole studies.* --labels-apply-to-slices"):
        prepare(work, images, labels)
    slices = prepare(work, images, labels, "--labels-apply-to-slices")
    assert slices["any"].groupby(slices["study_uid"]).sum().tolist().count(SLICES) == 2
    assert read_record(work.folder / "data/own")["settings"]["labels"]["given_for"] == "study"


def test_a_test_set_is_named_by_a_table_or_by_a_folder(images: Path, tmp_path: Path) -> None:
    labels, named = by_slice(tmp_path / "labels.csv"), tmp_path / "test.csv"
    named.write_text("StudyInstanceUID\n1.2.3\n")
    slices = prepare(work_at(tmp_path / "work"), images, labels, "--test", named)
    assert slices.index[slices["split"] == "test"].tolist() == ["Bild_30", "Bild_31", "Bild_32"]
    assert slices.loc[slices["split"] == "test", [*NAMES, "fold"]].isna().all(axis=None)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x").write_bytes(ct_file(PatientID="another", SOPInstanceUID="1.9"))
    slices = prepare(work_at(tmp_path / "again"), images, labels, "--test", tmp_path / "more")
    assert slices.index[slices["split"] == "test"].str.endswith("more/x").tolist() == [True]


def test_labels_to_score_by_need_no_folds(images: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"SOPInstanceUID,stroke\n{uid(0, 1)},1\n{uid(0, 2)},0\n")
    with pytest.raises(BadInput, match=r"labels\.csv: 2 folds are too many"):
        prepare(work_at(tmp_path / "folds"), images, labels)
    slices = prepare(work_at(tmp_path / "work"), images, labels, "--score-only")
    assert slices["fold"].isna().all()
    assert slices.loc["Bild_01", "stroke"] == 1


def test_other_labels_are_another_data_set_and_what_differs_is_said(images: Path, tmp_path: Path) -> None:
    work = work_at(tmp_path / "work")
    prepare(work, images, by_slice(tmp_path / "labels.csv"))
    with pytest.raises(StaleOutput, match=r'labels\.names: \["stroke", "mass"\] -> \["mass"\]'):
        prepare(work, images, tmp_path / "labels.csv", "--classes", "mass")


def draw_own(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Sixteen drawn patients under foreign names, and a table by SOPInstanceUID: bleeding inside and outside."""
    run_program("rsna2019_phantom", "--output", folder / "drawn.zip", "--train-patients", 16, "--test-patients", 1,
                "--slices", 3, 4, "--size", 64)  # fmt: skip
    images, labels = folder / "export", folder / "labels.csv"
    images.mkdir()
    with zipfile.ZipFile(folder / "drawn.zip") as archive:
        files = {Path(name).stem: name for name in archive.namelist() if "train/" in name and name.endswith(".dcm")}
        for number, name in enumerate(files.values()):
            (images / f"IMG{number:04d}").write_bytes(archive.read(name))
        table = pd.read_csv(archive.open(next(name for name in archive.namelist() if name.endswith("train.csv"))))
    image, kind = (table["ID"].str.rsplit("_", n=1).str[part] for part in (0, 1))
    shown = (
        table.assign(image=image, kind=kind).drop_duplicates("ID").pivot(index="image", columns="kind", values="Label")
    )
    inside, bleeds = shown[["intraparenchymal", "intraventricular"]].max(axis=1), shown["any"]
    known = {"inside": inside, "outside": bleeds - inside, "any": bleeds}
    pd.DataFrame({name: known[name] for name in names}).rename_axis("SOPInstanceUID").to_csv(labels, sep=";")
    return images, labels


@pytest.mark.slow
@pytest.mark.parametrize("names", [["inside", "outside"], ["any"]])
def test_sixteen_phantom_patients_with_classes_of_ones_own_end_in_readable_answers(
    names: list[str], tmp_path: Path
) -> None:
    images, labels = draw_own(tmp_path, names)
    config = tmp_path / "own.yaml"
    config.write_text(MINI_CONFIG.read_text().replace("data_set: phantom", "data_set: own"))
    work = work_at(tmp_path / "work", config)
    slices = prepare(work, images, labels)
    assert (slices["split"] == "train").all()
    run_stages(work)
    folder = work.folder / "preds/hemorrhage/own"
    answers = pd.read_csv(folder / "out_of_fold.csv")
    assert len(answers) == len(slices)
    assert answers[names].apply(lambda column: column.between(0, 1).all()).all()
    scores = read_scores(folder / "scores.csv")
    assert {f"log_loss_{name}" for name in names} <= set(scores.columns)
    assert np.isfinite(scores["weighted_log_loss"]).all()
    assert not (folder / "submission.csv.gz").exists()
    assert read_record(folder)["facts"]["labels"]["names"] == names
