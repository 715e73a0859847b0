"""Finished maps and the films that they are of, as the stages after them read both.

M out-of-fold films, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.paths import film_path, mask_path
from hounsfield.competitions.siim2019.tables import TEST_FOLD, read_films
from hounsfield.core.errors import StaleOutput
from hounsfield.core.stages.configuration import shaping_settings
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.core.storage.image_files import read_grey
from hounsfield.pneumothorax.config import PneumothoraxConfig
from hounsfield.pneumothorax.maps import Maps
from hounsfield.pneumothorax.paths import MAPS, maps_folder
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, remedies

FILM_COLUMNS = (
    "film_id",
    "patient_id",
    "label",
    "rows",
    "columns",
    "path",
    "view_position",
    "flags",
    "pixel_digest",
    "image_crc32",
    "mask_crc32",
)


class MappedFilms:
    """The maps of one experiment beside the data set's table of films."""

    def __init__(self, maps: Maps, data: Upstream) -> None:
        self.maps = maps
        self._work, self._data = data.work, data
        films = read_films(data, FILM_COLUMNS).set_index("film_id")
        self.films = films.loc[maps.rows["film_id"]].reset_index().assign(fold=maps.rows["fold"].to_numpy())  # N rows
        self.held_out = np.flatnonzero(self.films["fold"] != TEST_FOLD)  # (M,) rows of out-of-fold films
        self.test = np.flatnonzero(self.films["fold"] == TEST_FOLD)

    @property
    def folds(self) -> np.ndarray:
        """(M,) the fold of each out-of-fold film."""
        return self.films["fold"].to_numpy()[self.held_out]

    @property
    def labels(self) -> np.ndarray:
        """(M,) int8, 1 where an out-of-fold film shows a pneumothorax."""
        return self.films["label"].to_numpy()[self.held_out].astype(np.int8)

    @property
    def patients(self) -> np.ndarray:
        """(M,) pseudonyms."""
        return self.films["patient_id"].to_numpy()[self.held_out]

    @property
    def image_size(self) -> int:
        """Pixels of a side of the prepared films and masks."""
        return int(self._data.record["settings"]["image_size"])

    def image(self, row: int) -> np.ndarray:
        """A prepared film, (image_size, image_size) uint8."""
        film = self.films.iloc[row]
        path = film_path(self._work, self._data.folder.name, film["film_id"])
        return read_grey(path, int(film["image_crc32"]), remedy=self._data.remedy)

    def true_mask(self, row: int, size: int | None = None) -> np.ndarray | None:
        """The mask of an out-of-fold film, (S, S) bool; None where it shows no pneumothorax.

        size: S, to which the prepared mask is brought; None: its own.
        """
        film = self.films.iloc[row]
        if pd.isna(film["mask_crc32"]):
            return None
        path = mask_path(self._work, self._data.folder.name, film["film_id"])
        grey = read_grey(path, int(film["mask_crc32"]), remedy=self._data.remedy)
        if size is not None and grey.shape != (size, size):
            grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_NEAREST)
        return grey > 0

    def maps_and_masks(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Each out-of-fold film's map, and its mask at the map's size."""
        for row in self.held_out.tolist():
            yield self.maps.values(row), self.true_mask(row, self.maps.size)


def maps_settings(config: PneumothoraxConfig, folds: Sequence[int]) -> dict[str, Any]:
    """What the maps of an experiment depend on, beside what they are made from."""
    settings = {"folds": list(folds), "dtype": config.maps.dtype}
    if config.blend:
        total = sum(member.weight for member in config.blend)
        return settings | {"blend": {member.experiment: member.weight / total for member in config.blend}}
    return settings | shaping_settings(config.maps, "block_batches")


def open_maps(command: PneumothoraxCommand, folds: Sequence[int]) -> Maps:
    """The finished maps of this experiment, held against what its configuration says of them.

    Raises MissingInput or StaleOutput with the commands that make them.
    """
    maps = open_maps_of(command, folds)
    check_made(maps.output, maps_settings(command.config, folds))
    return maps


def open_maps_of(command: PneumothoraxCommand, folds: Sequence[int]) -> Maps:
    """The finished maps of an experiment whose configuration is not at hand, of these folds."""
    found = require(command.work, maps_place(command), MAPS, remedies(command))
    mapped = found.record["settings"]["folds"]
    if mapped != list(folds):
        raise StaleOutput(
            f"{found.folder} holds maps of the folds {mapped}, and not of {list(folds)}; make them with: "
            f"{found.remedy} --force, or give --fold {' '.join(map(str, mapped))}"
        )
    return Maps(found)


def maps_place(command: PneumothoraxCommand) -> Path:
    """Where this experiment's maps lie."""
    return maps_folder(command.work, command.data_set, command.experiment)
