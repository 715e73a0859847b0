"""Segmentations of vertebrae, brought to the slices of their study by the affine, and counted slice by slice.

A NIfTI file's affine maps voxels to millimetres that rise to the patient's right, front and head (RAS); DICOM's rise to
the left, the back and the head (LPS). So each pixel of each slice has a place, and there the nearest voxel's label:
exactly its own where both grids agree, however axes are ordered, flipped or tilted. (The published system ignores the
affine and reverses two axes.)
S slices.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import nibabel
import numpy as np
from joblib import cpu_count
from nibabel import imageglobals

from hounsfield.competitions.rsna2022.labels import VERTEBRAE
from hounsfield.core.errors import Refused
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.executors import file_time_limit, run_chunks
from hounsfield.core.logs import progress

SUFFIXES = (".nii", ".nii.gz")
LARGEST = 2 * 2**30  # bytes: 512 x 512 x 1000 voxels of eight
SECONDS = 300.0  # for one of them
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
SAME_GRID = 0.05  # voxels; an affine is stored in single precision
GZIP = 31  # zlib's window bits for gzip
GZIP_MAGIC = b"\x1f\x8b"
imageglobals.logger.disabled = True  # says of damaged headers what it would correct, and not of which file


class Grid(NamedTuple):
    """Where the slices of a volume lie, from head to feet."""

    positions: np.ndarray  # (S, 3) mm, of the first pixel's centre, LPS
    orientations: np.ndarray  # (S, 6) direction cosines along a row, along a column
    spacings: np.ndarray  # (S, 2) mm between rows, between columns
    shape: tuple[int, int]  # rows, columns

    @property
    def known(self) -> bool:
        """Whether the headers say where all slices lie."""
        return not any(np.isnan(part).any() for part in (self.positions, self.orientations, self.spacings))


class SegmentationTask(NamedTuple):
    """A study's segmentation, and where its slices lie."""

    study_uid: str
    file: SourceFile
    grid: Grid


class SliceCounts(NamedTuple):
    """What a segmentation says of the slices of its study, or why it is not used."""

    study_uid: str
    path: str
    voxels: np.ndarray = np.zeros((0, len(VERTEBRAE)), np.int32)  # (S, 7), in pixels of the slice
    boxes: np.ndarray = np.zeros((0, 4), np.float32)  # (S, 4) first and last column and row; NaN where nothing shows
    resampled: bool = False  # its grid is not the volume's
    reason: str = ""  # of REFUSALS
    message: str = ""


def study_of_segmentation(file: SourceFile) -> str | None:
    """The study that a segmentation is named after; None for another file."""
    name = PurePosixPath(file.name).name
    stem = name.removesuffix(".gz").removesuffix(".nii")
    return stem if name.endswith(SUFFIXES) and stem and not stem.startswith(".") else None


def count_all(
    tasks: Sequence[SegmentationTask], *, jobs: int | None, dask_scheduler: str | None
) -> dict[str, SliceCounts]:
    """What each segmentation says, by study; in processes, since a library reads foreign bytes."""
    chunks = [[task] for task in tasks]
    processes = max(1, min(jobs or cpu_count(), len(tasks)))
    counted = run_chunks(_count_chunk, chunks, _killed, jobs=processes, dask_scheduler=dask_scheduler)
    return {one.study_uid: one for one in progress(counted, total=len(tasks), unit="segmentation", label="count")}


def _count_chunk(tasks: Sequence[SegmentationTask]) -> SliceCounts:
    (task,) = tasks
    try:
        with file_time_limit(SECONDS):
            return count(task)
    except Refused as refusal:
        return SliceCounts(task.study_uid, task.file.label, reason=refusal.code, message=refusal.message)


def _killed(task: SegmentationTask) -> SliceCounts:
    message = "ended the process that read it, or took too long"
    return SliceCounts(task.study_uid, task.file.label, reason="segmentation_unreadable", message=message)


def count(task: SegmentationTask) -> SliceCounts:
    """Count a segmentation's labels in each slice. Raises Refused."""
    if not task.grid.known:
        raise Refused("segmentation_no_place", "the study's files do not say where their slices lie")
    labels, affine = read_segmentation(task.file.read(LARGEST))
    to_voxels = voxel_maps(task.grid, affine)
    resampled = check_cover(to_voxels, task.grid.shape, labels.shape)
    counts = [vertebrae_of(one) for one in slice_labels(labels, to_voxels, task.grid.shape)]
    voxels, boxes = (np.array(part) for part in zip(*counts, strict=True))
    return SliceCounts(task.study_uid, task.file.label, voxels, boxes, resampled)


def read_segmentation(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The labels of C1 to C7, (X, Y, Z) uint8 of 0 to 7, and the affine, (4, 4) float64. Raises Refused.

    Other labels (8 to 19 are T1 to T12) become 0. Its first bytes tell if it is packed, whatever it is called.
    """
    try:
        if content.startswith(GZIP_MAGIC):
            content = _inflated(content)
        image = nibabel.Nifti1Image.from_bytes(content)
        shape = tuple(image.shape) + (1,) * (3 - len(image.shape))
        if any(length != 1 for length in shape[3:]):
            raise Refused("segmentation_unreadable", f"has {len(shape)} axes, {shape}; three are needed")
        labels = np.zeros(shape[:3], np.uint8, order="F")
        for k in range(shape[2]):  # a plane at a time, whatever its type
            plane = np.asarray(image.dataobj[(..., k) + (0,) * (len(shape) - 3)]).reshape(shape[:2])
            labels[..., k] = np.where((plane >= 0.5) & (plane < len(VERTEBRAE) + 0.5), np.rint(plane), 0)
        affine = np.asarray(image.affine, np.float64)
        np.linalg.inv(affine)
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  (whatever a parser makes of damaged bytes costs this file alone)
        message = f"is no NIfTI file that can be read ({type(error).__name__}); export it again"
        raise Refused("segmentation_unreadable", message) from None
    if not np.isfinite(affine).all():
        raise Refused("segmentation_unreadable", "has an affine that is no number; export it again")
    return labels, affine


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj(GZIP)
    inflated = inflater.decompress(content, LARGEST + 1)
    if len(inflated) > LARGEST:
        raise Refused("segmentation_unreadable", f"unpacks to more than {LARGEST} bytes")
    if not inflater.eof:
        raise gzip.BadGzipFile
    return inflated


def voxel_maps(grid: Grid, affine: np.ndarray) -> np.ndarray:
    """What takes (row, column, 1) of each slice to a place in voxels: (S, 3, 3) float64.

    The centre of pixel (r, c) lies at position + r * row spacing * (along a column) + c * column spacing * (along a
    row). Source: DICOM PS3.3 C.7.6.2.1.1.
    """
    along_row, along_column = grid.orientations[:, :3], grid.orientations[:, 3:]
    by_row, by_column = along_column * grid.spacings[:, :1], along_row * grid.spacings[:, 1:]
    places = LPS_TO_RAS @ np.stack([by_row, by_column, grid.positions], axis=2)  # (S, 3, 3)
    inverse = np.linalg.inv(affine)
    maps = inverse[:3, :3] @ places
    maps[:, :, 2] += inverse[:3, 3]
    return np.asarray(maps)


def check_cover(maps: np.ndarray, shape: tuple[int, int], voxels: tuple[int, ...]) -> bool:
    """Whether the grids are different ones. Raises Refused where a corner of a slice lies outside the segmentation.

    maps: of `voxel_maps`; shape: rows and columns of a slice; voxels: along each axis of the segmentation.
    """
    rows, columns = shape
    corners = np.array([[0, 0, 1], [rows - 1, 0, 1], [0, columns - 1, 1], [rows - 1, columns - 1, 1]]).T
    places = maps @ corners  # (S, 3, 4)
    beyond = np.maximum(-0.5 - places, places - (np.array(voxels)[:, None] - 0.5)).max(axis=(1, 2))
    outside = int((beyond > SAME_GRID).sum())
    if outside:
        size = " x ".join(map(str, voxels))
        raise Refused("segmentation_grid", f"{size} voxels do not cover {outside} of the study's {len(maps)} slices "
                      f"of {rows} x {columns} where its affine places them: of another size or picture")  # fmt: skip
    return bool(np.abs(places - np.rint(places)).max() > SAME_GRID)


def slice_labels(labels: np.ndarray, maps: np.ndarray, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """The label of the nearest voxel at each pixel, slice by slice: (rows, columns) uint8 each.

    labels: (X, Y, Z); maps: of `voxel_maps`, covered by it.
    """
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    for one in maps:
        index = [np.rint(axis[0] * rows + axis[1] * columns + axis[2]).astype(np.intp) for axis in one]
        within = [np.clip(places, 0, length - 1) for places, length in zip(index, labels.shape, strict=True)]
        yield labels[within[0], within[1], within[2]]


def vertebrae_of(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of C1 to C7 in one slice, (7,) int32, and the box of them all, (4,) float32: x0, y0, x1, y1, inclusive.

    labels: (rows, columns) of 0 to 7. The box is NaN where nothing shows.
    """
    counts = np.bincount(labels.ravel(), minlength=len(VERTEBRAE) + 1)[1:].astype(np.int32)
    if not counts.any():
        return counts, np.full(4, np.nan, np.float32)
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    return counts, np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32)


def ratios(voxels: np.ndarray) -> np.ndarray:
    """Each vertebra's pixels over its most in any slice, (S, 7) float32; 0 where it is absent from the study."""
    most = voxels.max(axis=0, initial=0)
    return np.divide(voxels, most, out=np.zeros(voxels.shape, np.float32), where=most > 0, dtype=np.float32)
