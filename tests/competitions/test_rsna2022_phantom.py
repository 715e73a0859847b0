"""The drawn necks: the same bytes from the same recipe, fractures where the labels say, and the competition's shape."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest

from hounsfield.competitions.rsna2022.labels import NAMES, OVERALL, VERTEBRAE
from hounsfield.competitions.rsna2022.neck_phantom.archive import ArchiveSummary, render_study, write_archive
from hounsfield.competitions.rsna2022.neck_phantom.dicom_files import study_uid
from hounsfield.competitions.rsna2022.neck_phantom.plans import StudyPlan, plan_study
from hounsfield.competitions.rsna2022.neck_phantom.recipe import PhantomRecipe
from hounsfield.competitions.rsna2022.neck_phantom.segmentation import nifti_bytes
from hounsfield.competitions.rsna2022.neck_phantom.studies import Study, draw_study
from hounsfield.competitions.rsna2022.neck_phantom.vertebrae import SHAPES
from hounsfield.core.errors import WrongUse

RECIPE = PhantomRecipe(train_patients=4, test_patients=2, size=64, spacing=(3.6, 4.2), segmented_share=0.5, seed=3)


@cache
def plans() -> list[StudyPlan]:
    return [plan_study(RECIPE, number) for number in range(200)]


@cache
def drawn(number: int) -> Study:
    return draw_study(plans()[number])


@cache
def unbroken(number: int) -> Study:
    return draw_study(replace(plans()[number], fractures=()))


def fractured() -> list[int]:
    return [plan.number for plan in plans() if plan.fractures]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ArchiveSummary]:
    path = tmp_path_factory.mktemp("phantom") / "rsna-2022-cervical-spine-fracture-detection.zip"
    return path, write_archive(path, RECIPE, jobs=1)


def _table(path: Path, name: str) -> pd.DataFrame:
    with zipfile.ZipFile(path) as packed:
        return pd.read_csv(packed.open(name))


def _series(path: Path, uid: str, split: str = "train") -> list[pydicom.Dataset]:
    """A study's files in the order of their numbers."""
    with zipfile.ZipFile(path) as packed:
        names = [name for name in packed.namelist() if name.startswith(f"{split}_images/{uid}/")]
        names.sort(key=lambda name: int(Path(name).stem))
        assert [int(Path(name).stem) for name in names] == list(range(1, len(names) + 1))
        return [pydicom.dcmread(io.BytesIO(packed.read(name))) for name in names]


def _hu(series: list[pydicom.Dataset]) -> np.ndarray:
    return np.stack([one.pixel_array * one.RescaleSlope + one.RescaleIntercept for one in series])


def test_plans_cover_both_orders_of_files_and_every_vertebra() -> None:
    assert {bool(plan.numbers[0] == 1) for plan in plans()} == {True, False}
    assert {one.vertebra for plan in plans() for one in plan.fractures} == set(VERTEBRAE)
    assert {len(plan.fractures) for plan in plans()} == {0, 1, 2, 3}
    assert 0.3 < np.mean([plan.labels[0] for plan in plans()]) < 0.65
    assert len({study_uid(plan) for plan in plans()}) == len(plans())
    assert np.std([plan.spine.scale for plan in plans()]) > 0.03


def test_the_overall_label_is_the_maximum_of_the_vertebrae() -> None:
    for plan in plans():
        assert plan.labels[0] == max(plan.labels[1:]) == (len(plan.fractures) > 0)


@pytest.mark.parametrize("which", range(3))
def test_a_fracture_changes_its_own_vertebra_and_nothing_above_or_below_it(which: int) -> None:
    plan, study = plans()[fractured()[which]], drawn(fractured()[which])
    whole = unbroken(plan.number)
    for one in plan.fractures:
        alone = draw_study(replace(plan, fractures=(one,))) if len(plan.fractures) > 1 else study
        label = VERTEBRAE.index(one.vertebra) + 1
        differs = np.flatnonzero((alone.hu != whole.hu).any(axis=(1, 2)))
        shown = np.flatnonzero(((alone.labels == label) | (whole.labels == label)).any(axis=(1, 2)))
        assert len(differs) >= 2
        assert shown[0] - 1 <= differs[0] and differs[-1] <= shown[-1] + 1
        assert (alone.gaps & (alone.labels == label)).sum() == alone.gaps.sum() > 0
    assert study.gaps.any() and not whole.gaps.any()


def test_a_fracture_line_is_darker_than_the_bone_it_breaks() -> None:
    for number in fractured()[:3]:
        study, whole = drawn(number), unbroken(number)
        bone = study.gaps & (whole.labels > 0)
        assert study.hu[bone].mean() < whole.hu[bone].mean() - 100


def test_a_severe_fracture_holds_gas_and_pieces_that_are_further_apart() -> None:
    usual, severe = (plan_study(replace(RECIPE, severity=value), fractured()[0]) for value in (1.0, 2.0))
    assert [one.vertebra for one in usual.fractures] == [one.vertebra for one in severe.fractures]
    found, before = draw_study(severe), drawn(usual.number)
    assert found.gaps.sum() > before.gaps.sum()
    assert np.percentile(found.hu[found.gaps], 10) < -200 < np.percentile(before.hu[before.gaps], 10)


def test_a_body_without_a_fracture_has_a_dark_canal_of_its_vein() -> None:
    plan = next(plan_study(replace(RECIPE, size=512), plan.number) for plan in plans() if not plan.fractures)
    vertebra = plan.spine["C5"]
    depth = 0.7 * SHAPES["C5"].half_depth
    middle = vertebra.place((0, depth, 0))
    study = draw_study(replace(plan, heights=middle[2:], numbers=np.array([1])))
    inside, beside = (_hu_at(plan, study, vertebra.place((u, depth, 0))) for u in (0.0, 3.5))
    assert inside < beside - 60
    assert not study.gaps.any()


def _hu_at(plan: StudyPlan, study: Study, place: np.ndarray) -> float:
    """The mean around a place, mm in neck coordinates, in a study of one slice."""
    cos, sin = np.cos(plan.rotation), np.sin(plan.rotation)
    x, y = cos * place[0] - sin * place[1] + plan.offset[0], sin * place[0] + cos * place[1] + plan.offset[1]
    row, column = (round(one / plan.pixel + (plan.size - 1) / 2) for one in (y, x))
    return float(study.hu[0, row - 1 : row + 2, column - 1 : column + 2].mean())


def test_an_ununited_apophysis_is_drawn_and_is_no_fracture() -> None:
    plan = next(plan for plan in plans() if plan.apophyses and not plan.fractures)
    without = draw_study(replace(plan, apophyses=()))
    assert (drawn(plan.number).labels != without.labels).any()
    assert not drawn(plan.number).gaps.any() and max(plan.labels) == 0


def test_vertebrae_follow_one_another_from_head_to_feet() -> None:
    for number in range(3):
        study = drawn(number)
        where = [np.flatnonzero((study.labels == label).any(axis=(1, 2))) for label in range(1, 9)]
        assert all(len(one) >= 3 for one in where)
        middles = [np.argwhere(study.labels == label)[:, 0].mean() for label in range(1, 9)]
        assert middles == sorted(middles)


def test_tissues_have_their_usual_hounsfield_units() -> None:
    study = drawn(next(plan.number for plan in plans() if not plan.fractures))
    assert np.percentile(study.hu[0], 1) < -950
    bone = study.hu[(study.labels > 0) & (study.labels < 8)]
    assert 200 < np.median(bone) < 900
    assert np.mean(bone > 100) > 0.97
    middle = study.hu[len(study.hu) // 2]
    around = middle[(middle > -300) & (middle < 150)]
    fat, muscle = np.median(around[around < -20]), np.median(around[around > 0])
    assert -120 < fat < -60 and 30 < muscle < 75


def test_the_bones_of_a_study_are_the_same_at_every_size() -> None:
    large = draw_study(plan_study(replace(RECIPE, size=128), 0))
    for label in range(1, 9):
        assert (large.labels == label).sum() / 4 == pytest.approx((drawn(0).labels == label).sum(), rel=0.25)


def test_a_study_is_the_same_bytes_each_time_it_is_drawn() -> None:
    assert render_study(RECIPE, 1) == render_study(RECIPE, 1)
    assert render_study(RECIPE, 1) != render_study(RECIPE, 2)


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes_and_is_drawn_once(
    archive: tuple[Path, ArchiveSummary], tmp_path: Path
) -> None:
    path, summary = archive
    write_archive(tmp_path / "again.zip", RECIPE, jobs=2)
    assert path.read_bytes() == (tmp_path / "again.zip").read_bytes()
    assert summary.written and not write_archive(path, RECIPE, jobs=1).written


def test_the_archive_has_the_competition_s_folders_and_tables(archive: tuple[Path, ArchiveSummary]) -> None:
    path, summary = archive
    train, test = _table(path, "train.csv"), _table(path, "test.csv")
    assert train.columns.tolist() == ["StudyInstanceUID", *NAMES] and len(train) == 4
    assert (train[OVERALL] == train[list(VERTEBRAE)].max(axis=1)).all()
    assert train[OVERALL].sum() == summary.fractured_studies
    assert test.columns.tolist() == ["row_id", "StudyInstanceUID", "prediction_type"] and len(test) == 16
    assert (test.row_id == test.StudyInstanceUID + "_" + test.prediction_type).all()
    sample = _table(path, "sample_submission.csv")
    assert sample.columns.tolist() == ["row_id", "fractured"] and sample.row_id.tolist() == test.row_id.tolist()
    with zipfile.ZipFile(path) as packed:
        folders = {name.split("/")[0] for name in packed.namelist() if "/" in name}
    assert folders == {"train_images", "test_images", "segmentations"}
    assert train.StudyInstanceUID.str.fullmatch(r"1\.2\.826\.0\.1\.3680043\.\d+").all()
    assert summary.segmentations == 2


def test_boxes_stand_around_the_fractures_of_fractured_studies(archive: tuple[Path, ArchiveSummary]) -> None:
    boxes, train = _table(archive[0], "train_bounding_boxes.csv"), _table(archive[0], "train.csv")
    assert boxes.columns.tolist() == ["StudyInstanceUID", "x", "y", "width", "height", "slice_number"]
    assert set(boxes.StudyInstanceUID) == set(train.StudyInstanceUID[train[OVERALL] == 1])
    assert (boxes.width > 0).all() and (boxes.x + boxes.width <= RECIPE.size).all()


def test_files_lie_in_even_steps_and_hold_what_was_drawn(archive: tuple[Path, ArchiveSummary]) -> None:
    for number in range(4):
        plan, study = plans()[number], drawn(number)
        series = _series(archive[0], study_uid(plan))
        z = np.array([one.ImagePositionPatient[2] for one in series])
        steps = np.diff(z)
        assert np.allclose(steps, steps[0], atol=1e-4)
        assert np.sign(steps[0]) == (1 if plan.numbers[0] > 1 else -1)
        in_order = _hu(series)[np.argsort(-z)]
        assert np.array_equal(in_order, study.hu)


@pytest.mark.parametrize("toward_head", [True, False])
def test_a_segmentation_meets_its_slices_by_its_affine_and_by_the_published_flips(
    archive: tuple[Path, ArchiveSummary], toward_head: bool
) -> None:
    plan = next(plan for plan in plans() if (plan.numbers[0] > 1) == toward_head)
    labels = drawn(plan.number).labels
    image = nib.Nifti1Image.from_bytes(nifti_bytes(plan, labels))
    assert nib.aff2axcodes(image.affine) == ("L", "A", "S")
    flipped = np.asarray(image.dataobj)[:, ::-1]  # the published code's way to the k-th file's slice
    flipped = (flipped if toward_head else flipped[:, :, ::-1]).transpose(2, 1, 0)
    by_file = labels[np.argsort(plan.numbers)]
    assert np.array_equal(flipped, by_file)
    series = render_study(RECIPE, plan.number).files
    first = pydicom.dcmread(io.BytesIO(series[1]))
    for k, row, column in np.argwhere(by_file == 4)[::97]:
        z = pydicom.dcmread(io.BytesIO(series[int(k) + 1])).ImagePositionPatient[2]
        x, y = (first.ImagePositionPatient[axis] + first.PixelSpacing[0] * at for axis, at in ((0, column), (1, row)))
        voxel = np.rint(np.linalg.inv(image.affine) @ [-x, -y, z, 1])[:3].astype(int)
        assert np.asarray(image.dataobj)[tuple(voxel)] == 4


@pytest.mark.parametrize(
    "values",
    [{"size": 10}, {"train_patients": 0}, {"train_patients": 20000}, {"spacing": (2.0, 1.0)}, {"seed": -1},
     {"segmented_share": 2.0}, {"severity": 0.0}, {"compression": "x"}],
)  # fmt: skip
def test_a_recipe_that_cannot_be_drawn_is_wrong_use(values: dict[str, object]) -> None:
    with pytest.raises(WrongUse):
        PhantomRecipe(**values)
