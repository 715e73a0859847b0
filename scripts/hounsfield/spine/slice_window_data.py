"""Windows of studies as training samples and to be predicted. T triplets, L = 3 T or T steps, S pixels a side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hounsfield.core.imaging.boxes import Box
from hounsfield.core.storage.volumes import open_volume
from hounsfield.core.training.augmentation import flip_contrast_rotate_distort_holes
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.core.training.draws import seed_of
from hounsfield.core.training.stack_augmentation import augment_stack
from hounsfield.spine.config import IntensityConfig, WindowsConfig
from hounsfield.spine.images import grey_slices, triplets
from hounsfield.spine.positions import window_positions
from hounsfield.spine.slice_windows import TRIPLET, sparse_window


class Window(NamedTuple):
    """One window, or a batch of them with B in front of each shape. What is behind the study's end is padding."""

    triplets: Tensor  # (T, S, S, 3) uint8; black where there is none
    targets: Tensor  # (L, C) float32; NaN on padding and where unknown
    positions: Tensor  # (L,) float32: what is embedded of each step's place; NaN on padding


@dataclass(frozen=True)
class WindowStudy:
    """A study that windows are taken from."""

    study_uid: str
    volume: Path
    box: Box | None  # the square that is cut out; None: nothing is
    targets: np.ndarray  # (slices, C) float32, from head to feet; NaN where unknown


@dataclass(frozen=True)
class WindowKind:
    """What all windows of a data set have in common."""

    config: WindowsConfig
    intensity: IntensityConfig
    size: int  # S
    bicubic: bool = False  # how slices are resized; else bilinear
    per_triplet: bool = False  # a step is a triplet, at its middle slice; else each slice is one
    sparse: float = 0.0  # probability that a training window skips slices


class Windows:
    """The windows of some studies, by (epoch, row). What is drawn depends on the seeds, the epoch and the row alone."""

    unit = "windows"

    def __init__(
        self,
        studies: Sequence[WindowStudy],
        rows: np.ndarray,
        kind: WindowKind,
        seeds: tuple[int, ...],
        *,
        remedy: str,
        volume_remedy: str,
    ) -> None:
        """rows: (N, 2) of each window, the study's place in `studies` and the first slice.

        remedy: what to lower when a process that loads them dies for lack of memory. volume_remedy: the command that
        makes the volumes.
        """
        self._studies, self.rows, self._kind, self._seeds = studies, rows, kind, seeds
        self.remedy, self._volume_remedy = remedy, volume_remedy
        self._augmentation = flip_contrast_rotate_distort_holes(kind.size)

    def __len__(self) -> int:
        return len(self.rows)

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The studies of some windows, and the slices that they begin at."""
        return [f"{self._studies[study].study_uid} from slice {start}" for study, start in self.rows[rows].tolist()]

    def __getitem__(self, key: tuple[int, int]) -> Window:
        """One window."""
        epoch, row = key
        study, kind = self._studies[self.rows[row, 0]], self._kind
        slices = self.slices_of(epoch, row)
        volume = open_volume(study.volume, remedy=self._volume_remedy)
        shown = np.append(slices, np.repeat(slices[-1:], -len(slices) % TRIPLET))  # the last triplet is filled up
        grey = grey_slices(volume, shown, study.box, kind.size, kind.intensity, bicubic=kind.bicubic)
        if epoch != UNAUGMENTED:
            augment_stack(self._augmentation, grey, seed_of(*self._seeds, epoch, row))
        images, steps = triplets(grey), kind.config.slices
        if kind.per_triplet:
            slices, steps = _middles(slices), steps // TRIPLET
        return Window(
            torch.from_numpy(_padded(images, kind.config.slices // TRIPLET, 0)),
            torch.from_numpy(_padded(study.targets[slices], steps, np.nan)),
            torch.from_numpy(_padded(window_positions(slices, len(volume), kind.config.position), steps, np.nan)),
        )

    def slices_of(self, epoch: int, row: int) -> np.ndarray:
        """The numbers of a window's slices in its study, int64; fewer than a window has where the study ends."""
        study, start = self.rows[row].tolist()
        count, length = len(self._studies[study].targets), self._kind.config.slices
        if epoch == UNAUGMENTED:
            return np.arange(start, min(start + length, count))
        return sparse_window(start, count, length, self._kind.sparse, seed_of(*self._seeds, epoch, row, 1))


def _middles(slices: np.ndarray) -> np.ndarray:
    """The middle slice of each triplet; of one that the study's end cuts short, the last."""
    firsts = np.arange(0, len(slices), TRIPLET)
    return slices[np.minimum(firsts + 1, len(slices) - 1)]


def _padded(values: np.ndarray, length: int, fill: float) -> np.ndarray:
    """`values` with rows of `fill` behind them, `length` in all."""
    if len(values) == length:
        return values
    padded = np.full((length, *values.shape[1:]), fill, values.dtype)
    padded[: len(values)] = values
    return padded
