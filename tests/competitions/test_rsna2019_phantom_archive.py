"""The RSNA 2019 phantom's archive has the competition's folders, elements, names, tables and faults."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from hounsfield.competitions.rsna2019.head_phantom.archive import ArchiveSummary, render_patient, write_archive
from hounsfield.competitions.rsna2019.head_phantom.dicom_files import PADDING, dicom_bytes
from hounsfield.competitions.rsna2019.head_phantom.plans import KINDS, plan_patient
from hounsfield.competitions.rsna2019.head_phantom.recipe import PhantomRecipe
from hounsfield.competitions.rsna2019.head_phantom.studies import draw_series
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import StaleOutput, WrongUse

SMALL = PhantomRecipe(train_patients=10, test_patients=2, slices=(7, 8), size=64)
TOP = "rsna-intracranial-hemorrhage-detection"
ELEMENTS = {
    "SOPInstanceUID", "Modality", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyID",
    "ImagePositionPatient", "ImageOrientationPatient", "SamplesPerPixel", "PhotometricInterpretation", "Rows",
    "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope", "PixelData",
}  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ArchiveSummary]:
    path = tmp_path_factory.mktemp("phantom") / f"{TOP}.zip"
    return path, write_archive(path, SMALL, jobs=1)


@pytest.fixture(scope="module")
def datasets(archive: tuple[Path, ArchiveSummary]) -> dict[str, pydicom.Dataset]:
    with zipfile.ZipFile(archive[0]) as members:
        return {name: _read(members.read(name)) for name in members.namelist() if name.endswith(".dcm")}


def _read(data: bytes) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data))
        str(dataset)  # reads every element
    return dataset


def _table(archive: Path, name: str) -> pd.DataFrame:
    with zipfile.ZipFile(archive) as members:
        return pd.read_csv(members.open(f"{TOP}/{name}"))


def test_files_hold_the_elements_of_the_competition_and_no_other(datasets: dict[str, pydicom.Dataset]) -> None:
    for name, dataset in datasets.items():
        assert {element.keyword for element in dataset} == ELEMENTS
        assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID == Path(name).stem
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert (dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.RescaleSlope) == (64, 64, 16, 1)


def test_every_identifier_is_id_and_nine_hexadecimal_digits(datasets: dict[str, pydicom.Dataset]) -> None:
    for dataset in datasets.values():
        for keyword in ("SOPInstanceUID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID"):
            assert pd.Series([dataset[keyword].value]).str.fullmatch("ID_[0-9a-f]{9}").all()


def test_slices_run_along_the_normal_in_even_steps_also_when_the_gantry_is_tilted(
    datasets: dict[str, pydicom.Dataset],
) -> None:
    series: dict[str, list[float]] = {}
    tilted = 0
    for dataset in datasets.values():
        across, down = np.split(np.array(dataset.ImageOrientationPatient, float), 2)
        normal = np.cross(across, down)
        tilted += abs(normal[2]) < 0.999
        series.setdefault(dataset.SeriesInstanceUID, []).append(
            float(normal @ np.array(dataset.ImagePositionPatient, float))
        )
    assert tilted > 0
    for heights in series.values():
        steps = np.diff(sorted(heights))
        assert len(steps) == 0 or np.ptp(steps) < 0.01 < steps.min()


def test_name_order_is_not_slice_order(datasets: dict[str, pydicom.Dataset]) -> None:
    one = next(iter(datasets.values())).SeriesInstanceUID
    heights = [float(d.ImagePositionPatient[2]) for _, d in sorted(datasets.items()) if d.SeriesInstanceUID == one]
    assert heights != sorted(heights)


def test_exactly_one_training_file_has_short_pixel_data(
    archive: tuple[Path, ArchiveSummary], datasets: dict[str, pydicom.Dataset]
) -> None:
    short = [name for name, dataset in datasets.items() if len(dataset.PixelData) != 64 * 64 * 2]
    assert short == [f"{TOP}/stage_2_train/{archive[1].truncated_image_id}.dcm"]
    with pytest.raises(ValueError, match="less"):
        _ = datasets[short[0]].pixel_array


def test_training_table_has_six_rows_a_slice_and_some_rows_twice(
    archive: tuple[Path, ArchiveSummary], datasets: dict[str, pydicom.Dataset]
) -> None:
    table = _table(archive[0], "stage_2_train.csv")
    assert list(table.columns) == ["ID", "Label"]
    assert table.duplicated().sum() == 24
    ids = table.drop_duplicates().ID.str.rsplit("_", n=1, expand=True)
    stems = {Path(name).stem for name in datasets if name.startswith(f"{TOP}/stage_2_train/")}
    assert Counter(ids[0]) == dict.fromkeys(stems, 6)
    assert set(ids[1]) == set(CLASSES)


def test_sample_submission_has_six_rows_of_a_half_a_test_slice(
    archive: tuple[Path, ArchiveSummary], datasets: dict[str, pydicom.Dataset]
) -> None:
    table = _table(archive[0], "stage_2_sample_submission.csv")
    stems = [Path(name).stem for name in datasets if name.startswith(f"{TOP}/stage_2_test/")]
    assert sorted(table.ID) == sorted(f"{stem}_{name}" for stem in stems for name in CLASSES)
    assert (table.Label == 0.5).all()


def test_any_is_the_largest_of_the_others_and_ten_patients_show_every_class(
    archive: tuple[Path, ArchiveSummary],
) -> None:
    table = _table(archive[0], "stage_2_train.csv").drop_duplicates()
    parts = table.ID.str.rsplit("_", n=1, expand=True)
    wide = table.assign(image=parts[0], kind=parts[1]).pivot(index="image", columns="kind", values="Label")
    assert (wide["any"] == wide[list(KINDS)].max(axis=1)).all()
    assert (wide[list(CLASSES)].sum() > 0).all()
    assert wide.sum().to_dict() == archive[1].positives


def test_ten_patients_hold_a_second_series_a_wrong_intercept_and_a_single_slice(
    datasets: dict[str, pydicom.Dataset],
) -> None:
    plans = [plan_patient(SMALL.seed, k, SMALL.slices, SMALL.size) for k in range(10)]
    assert sorted(len(plan.series) for plan in plans)[-2:] == [1, 2]
    assert sum(len(plan.series[0].heights) == 1 for plan in plans) == 1
    assert {d.RescaleIntercept > -100 for d in datasets.values()} == {True, False}
    assert any(isinstance(d.WindowCenter, pydicom.multival.MultiValue) for d in datasets.values())


def test_same_seed_gives_the_same_bytes_and_another_seed_gives_others(
    archive: tuple[Path, ArchiveSummary], tmp_path: Path
) -> None:
    few = replace(SMALL, train_patients=2, test_patients=1, slices=(2, 3))
    first, second, other = (tmp_path / name for name in ("a.zip", "b.zip", "c.zip"))
    write_archive(first, few, jobs=1)
    write_archive(second, few, jobs=2)
    write_archive(other, replace(few, seed=1), jobs=1)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_a_patient_depends_on_seed_and_number_alone() -> None:
    more = replace(SMALL, train_patients=500, test_patients=100)
    assert [one.data for one in render_patient(SMALL, 4)] == [one.data for one in render_patient(more, 4)]


def test_an_archive_of_the_same_recipe_is_left_alone_and_one_of_another_is_refused(
    archive: tuple[Path, ArchiveSummary],
) -> None:
    path, summary = archive
    assert write_archive(path, SMALL, jobs=1) == replace(summary, written=False)
    with pytest.raises(StaleOutput, match=path.name):
        write_archive(path, replace(SMALL, seed=5), jobs=1)


def test_the_layout_of_2019_holds_the_same_bytes_in_the_folders_of_2019(tmp_path: Path) -> None:
    few = replace(SMALL, train_patients=2, test_patients=1, slices=(2, 3))
    contents = {}
    for layout in ("current", "2019"):
        path = tmp_path / f"{layout}.zip"
        write_archive(path, replace(few, layout=layout), jobs=1)
        with zipfile.ZipFile(path) as members:
            contents[layout] = {name: members.read(name) for name in members.namelist()}
    old = {
        name.removeprefix(f"{TOP}/").replace("_train/", "_train_images/").replace("_test/", "_test_images/"): data
        for name, data in contents["current"].items()
    }
    assert contents["2019"] == old
    assert {name.split("/")[0] for name in old} == {
        "stage_2_train_images", "stage_2_test_images", "stage_2_train.csv", "stage_2_sample_submission.csv"
    }  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [{"train_patients": 0}, {"slices": (5, 4)}, {"size": 10}, {"compression": "rar"}, {"seed": -1}, {"layout": "x"}],
)
def test_a_recipe_that_cannot_be_made_is_wrong_use(values: dict[str, object]) -> None:
    with pytest.raises(WrongUse):
        PhantomRecipe(**values)  # type: ignore[arg-type]


def test_the_program_ends_with_two_on_wrong_use() -> None:
    program = Path(__file__).parents[2] / "scripts" / "rsna2019_phantom.py"
    run = subprocess.run(
        [sys.executable, program, "--output", "never.zip", "--size", "7"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "64 to 1024" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_documented_repair_of_the_intercept_gives_hu_again() -> None:
    plan = plan_patient(3, 0, (3, 3), 128, ())
    series = replace(plan.series[0], wrong_intercept=True, padded=False)
    hu = draw_series(plan, series).hu[1]
    dataset = _read(dicom_bytes(plan, series, 1, hu))
    assert (dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation) == (12, 11, 0)
    assert dataset.RescaleIntercept > -100
    stored = dataset.pixel_array.astype(int)
    assert 0 <= stored.min() <= stored.max() < 4096
    assert np.abs(stored + float(dataset.RescaleIntercept) - hu).max() > 3000
    repaired = stored + 1000
    repaired[repaired >= 4096] -= 4096
    assert np.array_equal(repaired - 1000, np.rint(hu))


def test_ordinary_files_store_hu_with_intercept_and_padding_outside_the_field_of_view() -> None:
    plan = plan_patient(3, 0, (3, 3), 128, ())
    series = replace(plan.series[0], wrong_intercept=False, padded=True)
    hu = draw_series(plan, series).hu[1]
    dataset = _read(dicom_bytes(plan, series, 1, hu))
    stored = dataset.pixel_array
    assert stored[0, 0] == PADDING and stored[64, 64] != PADDING
    inside = stored != PADDING
    assert np.array_equal(stored[inside] * dataset.RescaleSlope + dataset.RescaleIntercept, np.rint(hu)[inside])
