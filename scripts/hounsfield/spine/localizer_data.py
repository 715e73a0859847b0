"""Triplets of slices with the neck's box, as training samples and to be predicted. S pixels a side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hounsfield.competitions.rsna2022.tables import BOX
from hounsfield.core.storage.volumes import open_volume
from hounsfield.core.training.augmentation import augment, augment_boxed, flip_contrast_rotate
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.core.training.draws import seed_of
from hounsfield.spine.config import BoxesConfig, IntensityConfig
from hounsfield.spine.images import grey_slices, triplets
from hounsfield.spine.networks.localizer import EDGES, PRESENCE
from hounsfield.spine.slice_windows import TRIPLET


@dataclass(frozen=True)
class TripletStudy:
    """A study that triplets are taken from."""

    study_uid: str
    volume: Path
    shape: tuple[int, int]  # rows, columns
    targets: np.ndarray  # (slices, 5) float32: box in shares, NaN where none is; has_box, NaN where unknown


class Triplets:
    """Triplets of some studies, by (epoch, row). What is drawn depends on the seeds, the epoch and the row alone."""

    unit = "triplets"
    remedy = "Lower workers, or the batch size of the boxes section"

    def __init__(
        self,
        studies: Sequence[TripletStudy],
        rows: np.ndarray,
        config: BoxesConfig,
        intensity: IntensityConfig,
        seeds: tuple[int, ...],
        *,
        volume_remedy: str,
    ) -> None:
        """rows: (N, 2) of each triplet, the study's place in `studies` and the first slice.

        volume_remedy: the command that makes the volumes.
        """
        self._studies, self._rows, self._config, self._intensity = studies, rows, config, intensity
        self._seeds, self._volume_remedy = seeds, volume_remedy
        self._augmentation = flip_contrast_rotate()

    def __len__(self) -> int:
        return len(self._rows)

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The studies of some triplets, and the slices that they begin at."""
        return [f"{self._studies[study].study_uid} from slice {start}" for study, start in self._rows[rows].tolist()]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """One triplet (S, S, 3) uint8, and its target (5,) float32 as in TripletStudy.

        Of a study of one or two slices the last one is repeated.
        """
        epoch, row = key
        place, start = self._rows[row].tolist()
        study, size = self._studies[place], self._config.network.size
        volume = open_volume(study.volume, remedy=self._volume_remedy)
        slices = np.minimum(np.arange(start, start + TRIPLET), len(volume) - 1)
        image = triplets(grey_slices(volume, slices, None, size, self._intensity))[0]
        target = triplet_target(study.targets[slices], study.shape)
        if epoch != UNAUGMENTED:
            image, target = self._augmented(image, target, (*self._seeds, epoch, row))
        return torch.from_numpy(image), torch.from_numpy(target)

    def _augmented(
        self, image: np.ndarray, target: np.ndarray, seeds: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        if np.isfinite(target[:EDGES]).all():
            image, box = augment_boxed(self._augmentation, image, target[:EDGES], seed_of(*seeds))
            target = moved_target(target, box, len(image))
        else:
            image = augment(self._augmentation, image, seed_of(*seeds))
        if np.random.default_rng(seed_of(*seeds, 1)).random() < self._config.reversed_channels:
            image = np.ascontiguousarray(image[..., ::-1])
        return image, target


def slice_targets(slices: pd.DataFrame, shape: tuple[int, int]) -> np.ndarray:
    """The targets of a segmented study's slices, (slices, 5) float32 as in TripletStudy.

    slices: SLICE_SCHEMA, from head to feet. shape: rows, columns. The table's last column and row of a box are within
    it, as published; here the edges lie behind the last pixel.
    """
    rows, columns = shape
    edges = slices[list(BOX)].to_numpy(np.float64, na_value=np.nan) + np.array([0, 0, 1, 1])
    shares = edges / [columns, rows, columns, rows]
    return np.column_stack([shares, slices["has_box"].to_numpy(np.float64, na_value=np.nan)]).astype(np.float32)


def triplet_target(slices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """What a triplet is to be told: (3, 5) of its slices -> (5,).

    Its box holds those of the slices that have one; published: slices without one took part as a point in the middle.
    A box of one pixel's width or height is none.
    """
    target = np.full(EDGES + 1, np.nan, np.float32)
    target[PRESENCE] = slices[:, PRESENCE].max()
    boxed = slices[slices[:, PRESENCE] > 0, :EDGES]
    if len(boxed):
        low, high = boxed[:, :2].min(axis=0), boxed[:, 2:].max(axis=0)
        if ((high - low) * shape[::-1] > 1.5).all():  # shares of whole pixels: one or two
            target[:EDGES] = *low, *high
    return target


def moved_target(target: np.ndarray, box: np.ndarray | None, size: int) -> np.ndarray:
    """A target after its image was changed, (5,).

    box: what of it is on the image, in shares; None: nothing. size: S. What is one pixel wide or high is none, but the
    neck counts as shown; wholly outside it is not.
    """
    moved = np.full_like(target, np.nan)
    moved[PRESENCE] = 0 if box is None else target[PRESENCE]
    if box is not None and ((box[2:] - box[:2]) * size > 1).all():
        moved[:EDGES] = box
    return moved
