"""Prepared films and masks as network input: augmented as they are stored, then resized. S pixels a side."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hounsfield.competitions.siim2019.paths import film_path, mask_path
from hounsfield.core.errors import BadInput
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.image_files import read_grey
from hounsfield.core.training.augmentation import augment_pair, flip_tone_distort_rotate
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.core.training.draws import seed_of

FILM_COLUMNS = ("film_id", "split", "fold", "label", "patient_id", "view_position", "image_crc32", "mask_crc32")
WITHOUT_MASK = -1  # in place of a checksum
MASK_ABOVE = 127  # grey levels


class FilmsWithMasks:
    """Films and masks of a data set, by (epoch, row). What is drawn depends on the seeds, the epoch and the film."""

    unit = "films"
    remedy = "Lower training.workers or the part's batch_size"

    def __init__(self, data: Upstream, films: pd.DataFrame, size: int, seeds: tuple[int, ...]) -> None:
        """films: FILM_COLUMNS of N films, whose index numbers the films of the whole table. size: S."""
        self._work, self._data_set, self._again = data.work, data.folder.name, data.remedy
        self._ids = films["film_id"].to_numpy().astype("S")
        self._numbers = films.index.to_numpy(np.int64)
        self._checksums = films["image_crc32"].to_numpy(np.int64)
        self._masks = films["mask_crc32"].fillna(WITHOUT_MASK).to_numpy(np.int64)
        self.positive = films["label"].to_numpy() == 1  # (N,) bool
        self._size, self._seeds = size, seeds
        self._augmentation = flip_tone_distort_rotate()

    def __len__(self) -> int:
        return len(self._ids)

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The identifiers of some films."""
        return [name.decode() for name in self._ids[rows]]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """One film (S, S) uint8 and its mask (S, S) uint8 of 0 and 1."""
        epoch, row = key
        film, mask = self._read(row)
        if epoch != UNAUGMENTED:
            film, mask = augment_pair(
                self._augmentation, film, mask, seed_of(*self._seeds, epoch, int(self._numbers[row]))
            )
        film = resize_film(film, self._size)
        if mask.shape != film.shape:
            mask = cv2.resize(mask, (self._size, self._size), interpolation=cv2.INTER_NEAREST)
        return torch.from_numpy(film), torch.from_numpy((mask > MASK_ABOVE).astype(np.uint8))

    def _read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        name = self._ids[row].decode()
        film = read_grey(film_path(self._work, self._data_set, name), int(self._checksums[row]), remedy=self._again)
        if self._masks[row] == WITHOUT_MASK:
            return film, np.zeros_like(film)
        path = mask_path(self._work, self._data_set, name)
        mask = read_grey(path, int(self._masks[row]), remedy=self._again)
        if mask.shape != film.shape:
            raise BadInput(f"{path} is {mask.shape}, and its film {film.shape}; prepare them anew: {self._again}")
        return film, mask


def resize_film(film: np.ndarray, size: int) -> np.ndarray:
    """A film at the size that a network sees it, (size, size) uint8, bilinear."""
    return film if film.shape == (size, size) else cv2.resize(film, (size, size), interpolation=cv2.INTER_LINEAR)
