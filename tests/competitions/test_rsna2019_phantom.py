"""The RSNA 2019 phantom: the archive has the competition's shape, and each bleed lies where its name says."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.phantom.archive import ArchiveSummary, recipe_path, render_patient, write_archive
from hounsfield.competitions.rsna2019.phantom.dicom_files import PADDING, dicom_bytes, scrambled_id
from hounsfield.competitions.rsna2019.phantom.plans import KINDS, plan_patient
from hounsfield.competitions.rsna2019.phantom.recipe import PhantomRecipe
from hounsfield.competitions.rsna2019.phantom.studies import Study, draw_series, phantom_study
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


@pytest.fixture(scope="module")
def studies() -> dict[str, Study]:
    return {kind: phantom_study(7, 3, (16, 16), 128, (kind,)) for kind in KINDS}


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
    before = path.stat().st_mtime_ns
    assert write_archive(path, SMALL, jobs=1) == replace(summary, written=False)
    assert path.stat().st_mtime_ns == before
    with pytest.raises(StaleOutput, match=rf"{path.name}: .*another.*--force"):
        write_archive(path, replace(SMALL, seed=5), jobs=1)


def test_the_layout_of_2019_holds_the_same_bytes_in_the_folders_of_2019(tmp_path: Path) -> None:
    few = replace(SMALL, train_patients=2, test_patients=1, slices=(2, 3))
    contents = {}
    for layout in ("current", "2019"):
        write_archive(tmp_path / layout, replace(few, layout=layout), jobs=1)
        with zipfile.ZipFile(tmp_path / layout) as members:
            contents[layout] = {name: members.read(name) for name in members.namelist()}
    old = {
        name.removeprefix(f"{TOP}/").replace("_train/", "_train_images/").replace("_test/", "_test_images/"): data
        for name, data in contents["current"].items()
    }
    assert contents["2019"] == old
    assert {name.split("/")[0] for name in old} == {
        "stage_2_train_images", "stage_2_test_images", "stage_2_train.csv", "stage_2_sample_submission.csv"
    }  # fmt: skip


def test_a_file_that_is_no_phantom_is_refused_and_force_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"something else")
    recipe = PhantomRecipe(train_patients=1, test_patients=0, slices=(2, 2), size=64, compression="deflated")
    with pytest.raises(StaleOutput, match=r"a\.zip: .*unknown"):
        write_archive(path, recipe, jobs=1)
    write_archive(path, recipe, jobs=1, force=True)
    with zipfile.ZipFile(path) as members:
        assert all(name.startswith(f"{TOP}/stage_2_") for name in members.namelist())
    assert recipe_path(path).exists()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


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


@given(st.integers(0, 2**32), st.lists(st.integers(0, 2**36 - 1), unique=True, min_size=2, max_size=20))
def test_different_numbers_never_share_an_id(seed: int, numbers: list[int]) -> None:
    assert len({scrambled_id(seed, 0, number) for number in numbers}) == len(numbers)


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


def test_a_head_without_bleeds_has_air_brain_fluid_and_bone_at_their_usual_hu() -> None:
    study = phantom_study(7, 3, (16, 16), 128, ())
    middle = study.hu[8]
    assert np.median(middle[:8, :8]) < -950
    assert 25 < np.median(middle[study.cavity[8]]) < 40
    assert middle.max() > 700
    deep = [cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for mask in study.ventricles]
    assert 0 < np.median(study.hu[np.array(deep)]) < 20
    assert study.labels.sum() == 0


def test_labels_agree_with_masks(studies: dict[str, Study]) -> None:
    for kind, study in studies.items():
        shown = study.masks[kind].any(axis=(1, 2))
        assert np.array_equal(shown, study.labels[:, CLASSES.index(kind)] == 1)
        assert np.array_equal(study.labels[:, 5], study.labels[:, :5].max(axis=1))
        assert study.labels.sum() == 2 * shown.sum()


def test_bleeds_run_through_three_or_more_neighbouring_slices_and_fade_at_their_ends(studies: dict[str, Study]) -> None:
    for kind, study in studies.items():
        shown = np.flatnonzero(study.labels[:, 5])
        assert len(shown) >= 3 and np.all(np.diff(shown) == 1), kind
        contrast = study.contrast[shown, 0]
        assert contrast[[0, -1]].max() <= 0.35 and contrast[[0, -1]].min() >= 0.15
        assert contrast[1:-1].max() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_bleed_is_bright_in_its_middle_slice_and_faint_in_its_first(kind: str, studies: dict[str, Study]) -> None:
    study = studies[kind]
    clean = phantom_study(7, 3, (16, 16), 128, ())
    shown = np.flatnonzero(study.labels[:, 5])
    middle = shown[int(np.argmax(study.contrast[shown, 0]))]
    assert np.median(study.hu[middle][study.masks[kind][middle]]) > 45
    assert np.median(study.hu[shown[0]][study.masks[kind][shown[0]]]) < 50
    assert np.allclose(study.heights, clean.heights)


def _from_inner_table(study: Study, i: int) -> np.ndarray:
    """Distance of each pixel of the cavity from the skull, pixels; (rows, columns)."""
    return cv2.distanceTransform(study.cavity[i].astype(np.uint8), cv2.DIST_L2, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_bleed_lies_inside_the_skull(kind: str, studies: dict[str, Study]) -> None:
    study = studies[kind]
    assert (study.masks[kind] & ~study.cavity).sum() <= 0.05 * study.masks[kind].sum()


@pytest.mark.parametrize("patient", range(4))
def test_epidural_is_a_thick_lens_and_subdural_a_long_crescent_on_the_inner_table(patient: int) -> None:
    shape = {}
    for kind in ("epidural", "subdural"):
        study = phantom_study(11, patient, (16, 16), 128, (kind,))
        middle = np.flatnonzero(study.labels[:, 5])[study.labels[:, 5].sum() // 2]
        mask, distance = study.masks[kind][middle], _from_inner_table(study, middle)
        assert distance[mask].min() <= 1.5  # touches the inner table
        length = max(np.ptp(np.flatnonzero(mask.any(axis=axis))) for axis in (0, 1))
        shape[kind] = distance[mask].max() / length
        assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2  # one piece
    assert shape["epidural"] > 1.5 * shape["subdural"]


def test_intraventricular_blood_lies_in_the_ventricles_and_at_their_back(studies: dict[str, Study]) -> None:
    study = studies["intraventricular"]
    mask = study.masks["intraventricular"]
    assert (mask & ~study.ventricles).sum() <= 0.05 * mask.sum()
    middle = int(np.argmax(mask.sum(axis=(1, 2))))
    rows = np.arange(128)[:, None] * np.ones(128)
    dry = study.ventricles[middle] & ~mask[middle]
    assert rows[mask[middle]].mean() > (rows[dry].mean() if dry.any() else 0)


def test_intraparenchymal_blood_keeps_away_from_the_skull_in_one_piece(studies: dict[str, Study]) -> None:
    study = studies["intraparenchymal"]
    middle = int(np.argmax(study.masks["intraparenchymal"].sum(axis=(1, 2))))
    mask = study.masks["intraparenchymal"][middle]
    assert _from_inner_table(study, middle)[mask].min() >= 1
    areas = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    assert areas.max() >= 0.8 * areas.sum()


def test_subarachnoid_blood_is_thin_where_intraparenchymal_blood_is_thick(studies: dict[str, Study]) -> None:
    thick = {}
    for kind in ("subarachnoid", "intraparenchymal"):
        mask = studies[kind].masks[kind]
        middle = mask[int(np.argmax(mask.sum(axis=(1, 2))))].astype(np.uint8)
        thick[kind] = cv2.erode(middle, np.ones((3, 3), np.uint8)).sum() / middle.sum()
    assert thick["subarachnoid"] < 0.35 < thick["intraparenchymal"]


def test_mimics_are_confined_to_one_slice_and_not_labelled() -> None:
    found = 0
    for patient in range(6):
        plain = phantom_study(5, patient, (14, 14), 64, ())
        with_mimics = phantom_study(5, patient, (14, 14), 64, (), with_mimics=True)
        assert with_mimics.labels.sum() == 0
        assert len({mimic.slice for mimic in with_mimics.mimics}) == len(with_mimics.mimics)
        for mimic in with_mimics.mimics:
            i = mimic.slice
            brighter = with_mimics.hu[i][plain.cavity[i]] - plain.hu[i][plain.cavity[i]]
            found += bool((brighter > 12).sum() >= 4)
    assert found >= 3


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_same_patient_has_the_same_anatomy_at_every_size(size: int) -> None:
    large, small = phantom_study(9, 1, (6, 6), 256, ("epidural",)), phantom_study(9, 1, (6, 6), size, ("epidural",))
    scale = (256 / size) ** 2
    for i in range(6):
        assert large.cavity[i].sum() == pytest.approx(small.cavity[i].sum() * scale, rel=0.06, abs=200)
    assert np.array_equal(large.labels, small.labels)
