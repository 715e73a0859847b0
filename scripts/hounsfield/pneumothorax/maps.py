"""Probability maps on disk: one array per experiment, a map per film, and the table that says which film it is of.

N films, S x S pixels. A map is stored as uint8 in 255ths of a probability, or as float16.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.siim2019.tables import TEST_FOLD
from hounsfield.core.errors import BadInput
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.arrays import open_array, read_row
from hounsfield.core.storage.tables import read_table, write_table

MAPS, ROWS = "maps.npy", "maps.parquet"
ROW_SCHEMA = pa.schema([("film_id", pa.string()), ("fold", pa.int8())])  # fold: TEST_FOLD for test films
SHOWN = 10  # identifiers in a message


class Maps:
    """The finished maps of one experiment, read one after another: they are larger than memory."""

    def __init__(self, output: Upstream) -> None:
        self.output = output
        self._path = output.file(MAPS)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """N rows of ROW_SCHEMA, in the order of the array: out-of-fold films fold by fold, then test films."""
        return read_table(self.output.file(ROWS), ROW_SCHEMA, remedy=self.output.remedy)

    @cached_property
    def size(self) -> int:
        """S."""
        array = open_array(self._path, remedy=self.output.remedy)
        if array.ndim != 3 or len(array) != len(self.rows) or array.dtype not in (np.uint8, np.float16):
            raise BadInput(
                f"{self._path} holds {array.dtype} of shape {array.shape}, and not {len(self.rows)} maps; make it "
                f"anew: {self.output.remedy} --force"
            )
        return int(array.shape[1])

    def values(self, row: int) -> np.ndarray:
        """One map, (S, S): uint8, or float32 where it is stored as float16. Raises BadInput where it is no map."""
        stored = read_row(self._path, row, remedy=self.output.remedy)
        if stored.dtype == np.uint8:
            return stored
        values = stored.astype(np.float32)
        if not (values.min() >= 0 and values.max() <= 1):  # false with NaN
            raise BadInput(
                f"{self._path}: the map of {self.rows['film_id'][row]} holds values that are no probabilities; make "
                f"the maps anew: {self.output.remedy} --force"
            )
        return values


class FilmRows(NamedTuple):
    """The films of a data set that get maps, in the order of their array."""

    films: pd.DataFrame  # N rows of the table of films
    folds: np.ndarray  # (N,) int8; TEST_FOLD for test films

    def write(self, path: Path) -> None:
        """Write which film each map is of."""
        frame = pd.DataFrame({"film_id": self.films["film_id"].to_numpy(), "fold": self.folds})
        write_table(path, frame, ROW_SCHEMA)


def films_to_map(films: pd.DataFrame, folds: Sequence[int]) -> FilmRows:
    """The films that are validated in `folds`, fold by fold, then the test films. films: split and fold of each."""
    parts = [films[(films["split"] == "train") & (films["fold"] == fold)] for fold in folds]
    chosen = pd.concat([*parts, films[films["split"] == "test"]], ignore_index=True)
    return FilmRows(chosen, np.where(chosen["split"] == "test", TEST_FOLD, chosen["fold"]).astype(np.int8))


def every_film(films: pd.DataFrame) -> FilmRows:
    """All films, as test films, labelled or not: of a data set that the networks have not been trained on."""
    return FilmRows(films, np.full(len(films), TEST_FOLD, np.int8))


def as_stored(probabilities: np.ndarray, dtype: str) -> np.ndarray:
    """Probabilities as they are stored: uint8, rounded to 255ths, or float16."""
    return np.rint(probabilities * 255).astype(np.uint8) if dtype == "uint8" else probabilities.astype(np.float16)


def as_probabilities(values: np.ndarray) -> np.ndarray:
    """A map as float32 probabilities."""
    return values.astype(np.float32) / 255 if values.dtype == np.uint8 else values


def refuse_other_films(members: Sequence[Maps]) -> None:
    """Raise BadInput, naming films, unless all experiments have maps of the same films in the same folds."""
    first = members[0]
    for one in members[1:]:
        if one.rows.equals(first.rows):
            continue
        known, own = (set(zip(maps.rows["film_id"], maps.rows["fold"], strict=True)) for maps in (first, one))
        differing = sorted({film for film, _ in known ^ own})
        raise BadInput(
            f"{one.output.folder} and {first.output.folder} hold maps of different films or folds; they differ in "
            f"{len(differing)}: {', '.join(differing[:SHOWN])}. Make both from the same data set and folds: "
            f"{one.output.remedy} --force"
        )


def blended_maps(members: Sequence[Maps], weights: Sequence[float], rows: Sequence[int]) -> Iterator[np.ndarray]:
    """The weighted mean of several experiments' maps, film by film: (S, S) float32, S being the largest size.

    weights: one for each, above 0; they are brought to the sum 1, so that the mean is a probability.
    """
    size, shares = max(one.size for one in members), np.array(weights) / np.sum(weights)
    for row in rows:
        mean = np.zeros((size, size), np.float32)
        for share, one in zip(shares, members, strict=True):
            mean += np.float32(share) * resize_map(as_probabilities(one.values(row)), size)
        yield mean.clip(0, 1)


def resize_map(probabilities: np.ndarray, size: int) -> np.ndarray:
    """A map of float32 at another size, bilinear."""
    if len(probabilities) == size:
        return probabilities
    return cv2.resize(probabilities, (size, size), interpolation=cv2.INTER_LINEAR)
