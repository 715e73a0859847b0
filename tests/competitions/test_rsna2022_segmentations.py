"""Segmentations are brought to the slices by their affine, whichever way axes run, and counted there."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dicom_files import PIXELS
from dicom_files import stored_otherwise as stored_otherwise_file
from hounsfield.competitions.rsna2022.segmentations import (
    Grid,
    SegmentationTask,
    check_cover,
    count,
    count_all,
    ratios,
    read_segmentation,
    slice_labels,
    vertebrae_of,
    voxel_maps,
)
from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.errors import Refused
from hounsfield.core.intake.archives import list_files
from neck_files import COLUMNS, CORNER, PIXEL_MM, ROWS, STEP_MM, TOP_MM, nifti, usual_nifti, vertebrae_labels
from reference.published_segmentation_frame import label_at, published_slices

AXIAL = np.array([1.0, 0, 0, 0, 1, 0])
SLICES = 7
RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 8, (SLICES, ROWS, COLUMNS)).astype(np.uint8)  # from head to feet


def grid(count: int = SLICES, orientation: np.ndarray = AXIAL, spacing: float = PIXEL_MM) -> Grid:
    """The place of slices that `neck` makes, or of tilted ones along their own normal."""
    normal = np.cross(orientation[:3], orientation[3:])
    positions = np.array([*CORNER, TOP_MM]) - STEP_MM * np.arange(count)[:, None] * normal
    return Grid(positions, np.tile(orientation, (count, 1)), np.full((count, 2), spacing), (ROWS, COLUMNS))


def brought(labels: np.ndarray, affine: np.ndarray, to: Grid) -> np.ndarray:
    """The labels of every slice, and that both grids are one."""
    maps = voxel_maps(to, affine)
    assert not check_cover(maps, to.shape, labels.shape)
    return np.stack(list(slice_labels(labels, maps, to.shape)))


def affine_of(to: Grid) -> np.ndarray:
    """The affine of an array (rows, columns, slices) that lies where the slices do."""
    along_row, along_column = to.orientations[0, :3], to.orientations[0, 3:]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along_column * to.spacings[0, 0], along_row * to.spacings[0, 1]
    affine[:3, 2], affine[:3, 3] = to.positions[1] - to.positions[0], to.positions[0]
    return np.diag([-1.0, -1, 1, 1]) @ affine


def stored_otherwise(array: np.ndarray, affine: np.ndarray, axes: tuple[int, ...], flips: tuple[bool, ...]):
    """The same voxels at the same places, with axes in another order and reversed."""
    array, affine = array.transpose(axes), affine[:, [*axes, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
            affine[:, axis] *= -1
            array = np.flip(array, axis)
    return np.ascontiguousarray(array), affine


@pytest.mark.parametrize("z_direction", [1, -1])
def test_the_affine_gives_what_the_published_flips_give_for_either_direction_of_the_files_numbers(
    z_direction: int,
) -> None:
    """Defect 32, and the acceptance check of alignment: the file's own frame decides, not the order of names."""
    content = usual_nifti(LABELS)
    raw = np.asanyarray(nibabel.Nifti1Image.from_bytes(content).dataobj)
    by_number = published_slices(raw, z_direction)  # entry k is the k-th file's
    head_to_feet = by_number[::-1] if z_direction > 0 else by_number
    labels, affine = read_segmentation(content)
    assert (brought(labels, affine, grid()) == head_to_feet).all()
    assert (head_to_feet == LABELS).all()


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_any_order_and_direction_of_axes_gives_every_voxel_its_own_place(
    axes: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    array, affine = stored_otherwise(LABELS.transpose(1, 2, 0), affine_of(grid()), axes, flips)
    assert (brought(array, affine, grid()) == LABELS).all()


@pytest.mark.parametrize("degrees", [12.0, -28.0])
def test_an_oblique_affine_agrees_voxel_for_voxel_where_the_grids_agree(degrees: float) -> None:
    tilt = np.radians(degrees)
    turn = np.array([[np.cos(0.1), -np.sin(0.1), 0], [np.sin(0.1), np.cos(0.1), 0], [0, 0, 1]])  # about the table, too
    row, column = turn @ [1, 0, 0], turn @ [0, np.cos(tilt), -np.sin(tilt)]
    oblique = grid(orientation=np.concatenate([row, column]))
    array, affine = stored_otherwise(LABELS.transpose(1, 2, 0), affine_of(oblique), (1, 0, 2), (True, False, True))
    labels, stored = read_segmentation(nifti(array, affine))  # in single precision
    assert (brought(labels, stored, oblique) == LABELS).all()


@pytest.mark.parametrize("number", range(8))
def test_a_slice_stored_mirrored_or_rotated_meets_its_labels_in_the_plain_view(number: int) -> None:
    slice_ = read_slice(stored_otherwise_file(PIXELS, number))
    rows, columns = PIXELS.shape
    to = Grid(
        np.array([slice_.position]), np.array([slice_.orientation]), np.array([slice_.pixel_spacing]), PIXELS.shape
    )
    labels = RNG.integers(0, 8, (1, rows, columns)).astype(np.uint8)
    affine = np.array([[-0.5, 0, 0, 125.0], [0, -0.5, 0, 120.5], [0, 0, 1, 42.25], [0, 0, 0, 1]])  # of its first pixel
    assert (brought(labels.transpose(2, 1, 0), affine, to) == labels).all()
    assert (slice_.stored == PIXELS).all()


def test_where_the_grids_differ_each_pixel_has_the_label_of_the_nearest_voxel() -> None:
    coarse = RNG.integers(0, 8, (12, 10, 9)).astype(np.uint8)  # twice the pixel's size
    affine = affine_of(grid(spacing=2 * PIXEL_MM))
    affine[:2, 3] -= PIXEL_MM / 2  # LPS pixel edges agree: RAS runs the other way
    affine[2, 3] += 0.4
    to = grid()
    maps = voxel_maps(to, affine)
    assert check_cover(maps, to.shape, coarse.shape)
    found = np.stack(list(slice_labels(coarse, maps, to.shape)))
    for s, row, column in RNG.integers(0, [SLICES, ROWS, COLUMNS], (200, 3)):
        expected = label_at(
            coarse, affine, to.positions[s], to.orientations[s], (PIXEL_MM, PIXEL_MM), int(row), int(column)
        )
        assert found[s, row, column] == expected


def test_a_slice_that_is_missing_takes_no_other_ones_labels() -> None:
    kept = [0, 1, 2, 4, 6]
    whole = grid()
    some = whole._replace(
        positions=whole.positions[kept], orientations=whole.orientations[kept], spacings=whole.spacings[kept]
    )
    labels, affine = read_segmentation(usual_nifti(LABELS))
    assert (brought(labels, affine, some) == LABELS[kept]).all()


def task(folder: Path, content: bytes, to: Grid, name: str = "1.2.1.nii") -> SegmentationTask:
    (folder / name).write_bytes(content)
    return SegmentationTask("1.2.1", list_files(folder)[0], to)


@pytest.mark.parametrize(
    ("labels", "step", "fact"),
    [
        (LABELS[:, :12], STEP_MM, "20 x 12 x 7 voxels do not cover 7"),
        (LABELS[:5], STEP_MM, "20 x 24 x 5 voxels do not cover 2"),
        (LABELS, STEP_MM / 2, "do not cover"),
    ],
    ids=["fewer rows", "fewer slices", "another step"],
)
def test_a_segmentation_of_another_size_is_refused(tmp_path: Path, labels: np.ndarray, step: float, fact: str) -> None:
    with pytest.raises(Refused, match=fact) as caught:
        count(task(tmp_path, usual_nifti(labels, step), grid()))
    assert caught.value.code == "segmentation_grid"


def test_a_study_without_places_has_no_use_for_a_segmentation(tmp_path: Path) -> None:
    nowhere = grid()._replace(positions=np.full((SLICES, 3), np.nan))
    with pytest.raises(Refused) as caught:
        count(task(tmp_path, usual_nifti(LABELS), nowhere))
    assert caught.value.code == "segmentation_no_place"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no segmentation",
        usual_nifti(LABELS)[:-50],
        nifti(np.zeros((4, 4, 4, 2), np.uint8), np.eye(4)),
        usual_nifti(LABELS)[:280] + bytes(48) + usual_nifti(LABELS)[328:],  # its affine's three rows
    ],
    ids=["empty", "text", "cut", "four axes", "no affine"],
)
def test_what_is_no_segmentation_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Refused) as caught:
        count(task(tmp_path, content, grid()))
    assert caught.value.code == "segmentation_unreadable"


@pytest.mark.usefixtures("one_pool")
def test_a_refused_segmentation_costs_itself_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    tasks = [task(one, b"no segmentation", grid()), task(other, usual_nifti(LABELS), grid())]
    found = count_all([tasks[0], tasks[1]._replace(study_uid="1.2.2")], jobs=1, dask_scheduler=None)
    assert found["1.2.1"].reason == "segmentation_unreadable"
    assert found["1.2.2"].voxels.sum() == (LABELS > 0).sum()


def test_labels_of_the_chest_count_as_nothing_and_real_numbers_as_the_nearest_label() -> None:
    values = np.array([0, 1, 7, 8, 19, 255, -1, 2.0001, np.nan], np.float32).reshape(3, 3, 1)
    labels, _ = read_segmentation(nifti(values, np.eye(4)))
    assert labels.ravel().tolist() == [0, 1, 7, 0, 0, 0, 0, 2, 0]


def test_a_packed_segmentation_reads_like_a_plain_one_whichever_its_name_says(tmp_path: Path) -> None:
    plain = usual_nifti(LABELS)
    packed, affine = read_segmentation(gzip.compress(plain))
    assert (packed == read_segmentation(plain)[0]).all()
    assert affine.shape == (4, 4)
    called_plain = count(task(tmp_path, gzip.compress(plain), grid()))  # as 1.2.1.nii
    assert called_plain.voxels.sum() == (LABELS > 0).sum()


def test_the_reader_of_damaged_segmentations_says_nothing_beside_the_refusal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refused):
        count(task(tmp_path, bytes(400), grid()))
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_a_slices_box_holds_the_first_and_last_pixel_of_all_its_vertebrae() -> None:
    labels = np.zeros((ROWS, COLUMNS), np.uint8)
    labels[3, 4], labels[9, 11], labels[5, 2] = 1, 2, 2
    voxels, box = vertebrae_of(labels)
    assert voxels.tolist() == [1, 2, 0, 0, 0, 0, 0]
    assert box.tolist() == [2, 3, 11, 9]
    assert np.isnan(vertebrae_of(np.zeros((ROWS, COLUMNS), np.uint8))[1]).all()


def test_ratios_reach_1_in_every_vertebra_that_is_there_and_a_vertebra_absent_from_the_scan_has_ratio_0() -> None:
    """Defect 16: an absent vertebra gave 0 / 0."""
    voxels = np.zeros((5, 7), np.int32)
    voxels[:, 0], voxels[:, 3] = [0, 4, 8, 2, 0], [1, 1, 1, 1, 1]
    found = ratios(voxels)
    assert found[:, 0].tolist() == [0, 0.5, 1, 0.25, 0]
    assert found.max(axis=0).tolist() == [1, 0, 0, 1, 0, 0, 0]
    assert ratios(np.zeros((3, 7), np.int32)).tolist() == np.zeros((3, 7)).tolist()


def test_c1_to_c7_peak_in_order_from_head_to_feet(tmp_path: Path) -> None:
    labels = vertebrae_labels(25)
    found = count(task(tmp_path, usual_nifti(labels), grid(25)))
    peaks = ratios(found.voxels).argmax(axis=0)
    assert (np.diff(peaks) > 0).all()
    assert found.voxels[:, 6].sum() == (labels == 7).sum()
