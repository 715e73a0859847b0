"""One's own labels through the stages: whose slices are trained on, tested on or neither, and what is said of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from conftest import Work, run_stages, work_at
from dicom_files import ct_file
from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.stages.outputs import read_record
from programs import MINI_CONFIG, run_program

SYSTEMS = {
    "hemorrhage": ("train_classifier", "extract_embeddings", "train_sequence", "bag"),
    "stacking": ("data", "train", "predict", "second_level", "ensemble"),
}
MINI_CONFIGS = {"hemorrhage": MINI_CONFIG, "stacking": MINI_CONFIG.with_name("mini_stacking.yaml")}

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


def test_an_image_column_of_sop_instance_uids_is_taken_as_such_and_other_uids_are_named(
    images: Path, tmp_path: Path
) -> None:
    labels = by_slice(tmp_path / "labels.csv", "1.2.3;1;1")
    labels.write_text(labels.read_text().replace("SOPInstanceUID", "image"))
    work = work_at(tmp_path / "work")
    slices = prepare(work, images, labels)
    assert slices.loc["Bild_21", NAMES].tolist() == [1, 0]
    unmatched = pd.read_csv(work.folder / "data/own/labels_unmatched.csv")
    assert unmatched["name"].str.startswith("ID_").all()  # an identifier, whatever its column is called
    labels.write_text("image,stroke\n" + "".join(f"1.2.{patient},{patient % 2}\n" for patient in range(PATIENTS)))
    with pytest.raises(BadInput, match=r"labels\.csv: .*they should name the file, and are StudyInstanceUIDs: call"):
        prepare(work, images, labels, "--force")
    labels.write_text("image,stroke\nsomething,1\nelse,0\n")
    with pytest.raises(BadInput, match=r"labels\.csv: none of its 2 rows fits .* is that the right column"):
        prepare(work, images, labels, "--force")


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
                "--slices", 3, 4, "--size", 64, "--jobs", 1)  # fmt: skip
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


def forget(labels: Path, images: Path) -> dict[str, set[str]]:
    """Take labels away: of a patient, of most slices of another, of one class here and there. Files, by what lacks."""
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(images.iterdir())]
    files = pd.DataFrame(
        [(str(one.SOPInstanceUID), str(one.PatientID), f"IMG{n:04d}") for n, one in enumerate(headers)],
        columns=["SOPInstanceUID", "patient", "file"],
    )
    table = pd.read_csv(labels, sep=";", dtype=str).merge(files)
    negative = table.groupby("patient")["any"].max() == "0"
    nobody, partly = negative.index[negative][:2]
    gone = (table["patient"] == nobody) | ((table["patient"] == partly) & table["patient"].duplicated())
    blank = ~gone & (table["patient"] != partly) & (np.arange(len(table)) % 9 == 0)
    class_only = ~gone & ~blank & (np.arange(len(table)) % 5 == 0)
    table.loc[blank, ["outside", "any"]] = ""
    table.loc[class_only, "outside"] = ""
    table.loc[~gone, ["SOPInstanceUID", "outside", "any"]].to_csv(labels, sep=";", index=False)
    names = table["file"]
    return {
        "no row": set(names[gone]), "blank": set(names[blank]), "outside": set(names[class_only]),
        "nobody": set(names[table["patient"] == nobody]),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_slices_without_a_label_are_listed_and_neither_learnt_from_nor_scored(system: str, tmp_path: Path) -> None:
    images, labels = draw_own(tmp_path, ["outside", "any"])
    missing, config = forget(labels, images), tmp_path / "own.yaml"
    three = {"folds: [0, 1]": "folds: [0, 1, 2]", "fold_count: 2": "fold_count: 3", "phantom": "own"}
    text = MINI_CONFIGS[system].read_text()
    for old, new in three.items():
        text = text.replace(old, new)
    config.write_text(text)
    work = work_at(tmp_path / "work", config)
    slices = prepare(work_at(work.folder), images, labels, "--prepare.fold_count", 3)
    for stage in SYSTEMS[system]:
        run_program(f"{system}_{stage}", *work.arguments)

    listed = pd.read_csv(work.folder / "data/own/unlabelled.csv").set_index("path")["reason"]
    assert set(listed.index[listed == "no row"]) == missing["no row"] & set(slices.index)
    assert set(listed.index[listed == "blank"]) == missing["blank"] & set(slices.index)
    assert set(slices.index[slices["split"] == "unlabelled"]) == set(listed.index)

    folder = work.folder / "preds" / system / "own"
    answers = pd.read_csv(folder / "out_of_fold.csv").set_index("file")
    assert set(answers.index) == set(slices.index) - missing["nobody"]
    unknown = answers[["label_outside", "label_any"]].isna()
    assert set(unknown.index[unknown.all(axis=1)]) == set(listed.index) - missing["nobody"]
    outside_alone = unknown.index[unknown["label_outside"] & ~unknown["label_any"]]
    assert set(outside_alone) == missing["outside"] & set(slices.index)
    scores = read_scores(folder / "scores.csv")
    assert set(scores["slices"]) == {int((slices["split"] == "train").sum())}
    assert np.isfinite(scores["weighted_log_loss"]).all()

    strangers = set(slices.loc[sorted(missing["nobody"] & set(slices.index)), "patient_id"])
    ledgers = list((work.folder / "checkpoints" / system / "own").rglob("learned.parquet"))
    assert ledgers
    for ledger in ledgers:
        assert not strangers & set(pd.read_parquet(ledger)["patient_id"])
