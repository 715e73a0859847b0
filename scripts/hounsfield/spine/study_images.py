"""Whole studies as samples: all their triplets of slices within the neck's range. T triplets, S pixels a side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.core.imaging.boxes import Box
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.volumes import open_volume
from hounsfield.core.training.augmentation import flip_contrast_rotate_distort_holes
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.core.training.draws import seed_of
from hounsfield.core.training.stack_augmentation import augment_stack
from hounsfield.spine.boxes import boxes_of, square_of
from hounsfield.spine.config import IntensityConfig
from hounsfield.spine.images import grey_slices, triplets
from hounsfield.spine.slice_windows import TRIPLET


class StudyBatch(NamedTuple):
    """Some studies, B of them, with N triplets in all."""

    triplets: Tensor  # (N, S, S, 3) uint8, study after study
    lengths: Tensor  # (B,) int64
    labels: Tensor  # (B, 8) float32, NaN where unknown

    @classmethod
    def collate(cls, samples: Sequence[StudyBatch]) -> StudyBatch:
        """Several batches as one; studies are of different lengths, so that they cannot be stacked."""
        return cls(*(torch.cat(parts) for parts in zip(*samples, strict=True)))


@dataclass(frozen=True)
class NeckRange:
    """A study, and what of it is looked at."""

    study_uid: str
    volume: Path
    box: Box  # the square that is cut out
    slices: np.ndarray  # whole triplets, from head to feet
    labels: np.ndarray  # (8,) float32, NaN where unknown


class StudyImages:
    """Studies by (epoch, row); all images of one are augmented by one draw. A sample is a batch of one study."""

    unit = "studies"
    remedy = "Lower workers, or raise accumulate of study.optimizer"

    def __init__(
        self, studies: Sequence[NeckRange], size: int, intensity: IntensityConfig, seeds: tuple[int, ...], *,
        volume_remedy: str,
    ) -> None:  # fmt: skip
        """size: S. volume_remedy: the command that makes the volumes."""
        self.studies, self._size, self._intensity, self._seeds = studies, size, intensity, seeds
        self._volume_remedy = volume_remedy
        self._augmentation = flip_contrast_rotate_distort_holes(size)

    def __len__(self) -> int:
        return len(self.studies)

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The identifiers of some studies."""
        return [self.studies[row].study_uid for row in rows]

    def __getitem__(self, key: tuple[int, int]) -> StudyBatch:
        """One study."""
        epoch, row = key
        study = self.studies[row]
        volume = open_volume(study.volume, remedy=self._volume_remedy)
        grey = grey_slices(volume, study.slices, study.box, self._size, self._intensity)
        if epoch != UNAUGMENTED:
            augment_stack(self._augmentation, grey, seed_of(*self._seeds, epoch, row))
        images = triplets(grey)
        return StudyBatch(torch.from_numpy(images), torch.tensor([len(images)]), torch.from_numpy(study.labels)[None])


def neck_ranges(data: Upstream, boxes: Upstream, studies: pd.DataFrame, margin: int) -> list[NeckRange]:
    """What is looked at of some studies of a data set. margin: as in `study_slices`.

    studies: rows of the data set's table; labels may be missing. Raises BadInput naming a study without a box.
    """
    uids = studies["study_uid"].tolist()
    shapes = studies[["slices", "rows", "columns"]].to_numpy().tolist()
    labels = studies.reindex(columns=list(NAMES)).to_numpy(np.float32, copy=True, na_value=np.nan)
    ranges = []
    for uid, box, (count, *shape), own in zip(uids, boxes_of(boxes, uids), shapes, labels, strict=True):
        square, slices = square_of(box[:4], tuple(shape)), study_slices(box.first_slice, box.last_slice, count, margin)
        ranges.append(NeckRange(uid, volume_path(data.work, data.folder.name, uid), square, slices, own))
    return ranges


def study_slices(first: int, last: int, count: int, margin: int) -> np.ndarray:
    """The slices that are looked at, whole triplets of them: those of a range, `margin` before it, one fewer behind it.

    first, last: the range's, both within. As they are the middles of triplets, the published margin of 2 adds one slice
    before the first triplet, and none behind the last. count: slices of the study. A triplet that is begun is filled up
    with the slices behind these, then with those before; where the study has no more, with its last one again.
    Published: the slices of a triplet that is begun were left out.
    """
    start, end = max(0, first - margin), min(count, last + max(1, margin))
    end = min(count, end + (start - end) % TRIPLET)
    start = max(0, start - (start - end) % TRIPLET)
    slices = np.arange(start, end)
    return np.append(slices, np.repeat(slices[-1:], -len(slices) % TRIPLET))
