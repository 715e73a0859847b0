"""The submission of RSNA 2019: a gzipped CSV with the columns ID and Label, six rows a test slice.

L rows of the submission, N slices.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, PROBABILITY_CLIP
from hounsfield.competitions.rsna2019.paths import PREPARE
from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.files import atomic_write

ROWS_PER_READ = 60_000  # rows checked at a time


class Submission(NamedTuple):
    """What is to be submitted, and how far predictions and sample agree."""

    ids: pd.Series  # (L,) <image>_<class>
    labels: np.ndarray  # (L,) float64
    filled: list[str]  # images of the sample without a prediction: they take what was given for their classes
    left_out: list[str]  # predicted images that the sample does not ask for
    clip: float = PROBABILITY_CLIP  # every label is in [clip, 1 - clip]


def bounded(probabilities: np.ndarray, clip: float = PROBABILITY_CLIP) -> np.ndarray:
    """Clip to [clip, 1 - clip]: the metric would be infinite at 0 and 1."""
    return np.clip(probabilities, clip, 1 - clip)


def ids_of(images: pd.Series) -> pd.Series:
    """Six IDs an image, in the order of `images` and CLASSES: (6N,)."""
    repeated = images.repeat(len(CLASSES)).reset_index(drop=True).astype(str)
    return repeated + pd.Series(np.tile([f"_{name}" for name in CLASSES], len(images)), dtype=str)


def sample_ids(path: Path) -> pd.Series:
    """The IDs of a sample submission in its order, (L,).

    Raises BadInput when it is no such table, when an ID repeats, or when an image has not all six classes.
    """
    try:
        ids = pd.read_csv(path, usecols=["ID"], dtype={"ID": str}, encoding="utf-8-sig", keep_default_na=False)["ID"]
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing; make it with: {PREPARE}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise BadInput(f"{path} is not a sample submission with a column ID: {error}") from error
    again = ids[ids.duplicated()]
    if len(again):
        raise BadInput(f"{path}: {count_of(len(again), 'IDs are repeated')}; the first is {again.iloc[0]}")
    images, columns = _split(ids)
    if (columns < 0).any():
        raise BadInput(
            f"{path}: {count_of(int((columns < 0).sum()), 'IDs name no class')}; the first is "
            f"{ids[columns < 0].iloc[0]}"
        )
    classes = images.groupby(images).transform("size")
    if (classes != len(CLASSES)).any():
        wrong = images[classes != len(CLASSES)].unique()
        raise BadInput(f"{path}: {count_of(len(wrong), 'images have not all six classes')}; the first is {wrong[0]}")
    return ids


def fill(
    ids: pd.Series,
    images: pd.Series,
    probabilities: np.ndarray,
    otherwise: np.ndarray,
    *,
    clip: float = PROBABILITY_CLIP,
) -> Submission:
    """Look up the probability of each ID; an image without a prediction takes what is given for the class.

    ids: (L,), as `sample_ids` or `ids_of` give them. images: (N,); probabilities: (N, 6). otherwise: (6,).
    Raises BadInput when no ID has a prediction: then it is another data set's sample.
    """
    asked, columns = _split(ids)
    rows = pd.Index(images).get_indexer(pd.Index(asked))
    found = rows >= 0
    if len(ids) and not found.any():
        raise BadInput(f"none of the {len(ids)} sample IDs ({ids.iloc[0]}, ...) is of a predicted image")
    labels = otherwise[columns]
    labels[found] = probabilities[rows[found], columns[found]]
    wanted = np.zeros(len(images), bool)
    wanted[rows[found]] = True
    return Submission(ids, bounded(labels, clip), list(asked[~found].unique()), list(images[~wanted]), clip)


def write(path: Path, submission: Submission) -> None:
    """Write the submission row by row and check what was written; only then does it get its name.

    The same rows give the same bytes: neither time nor file name is stored in the compressed file.
    """
    with atomic_write(path) as partial:
        with (
            partial.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
        ):
            table = csv.writer(text, lineterminator="\n")
            table.writerow(("ID", "Label"))
            table.writerows(
                (one, f"{label:.10f}") for one, label in zip(submission.ids, submission.labels, strict=True)
            )
        check(partial, submission.ids, submission.clip)


def check(path: Path, ids: pd.Series, clip: float = PROBABILITY_CLIP) -> None:
    """Hold a written submission against the IDs it should have: the same ones, each once, in that order.

    Raises BadInput naming the first row that is wrong, or without a number in [clip, 1 - clip].
    """
    again = ids[ids.duplicated()]
    if len(again):
        raise BadInput(f"{path}: the IDs to submit are not distinct; {again.iloc[0]} stands twice")
    seen = 0
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        blocks = pd.read_csv(text, dtype=str, chunksize=ROWS_PER_READ, keep_default_na=False)
        for block in blocks:
            if list(block.columns) != ["ID", "Label"]:
                raise BadInput(f"{path}: columns {list(block.columns)[:4]} instead of ID, Label")
            expected = ids.iloc[seen : seen + len(block)]
            if len(expected) < len(block):
                raise BadInput(f"{path}: more rows than the {len(ids)} expected")
            _refuse_row(path, block, block["ID"].to_numpy() != expected.to_numpy(), "is not the expected ID")
            labels = pd.to_numeric(block["Label"], errors="coerce").to_numpy(np.float64)
            within = (labels >= clip) & (labels <= 1 - clip)  # NaN compares as false
            _refuse_row(path, block, ~within, f"has a label outside [{clip}, 1 - {clip}]")
            seen += len(block)
    if seen != len(ids):
        raise BadInput(f"{path}: {seen} rows instead of {len(ids)}")


def _split(ids: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """The image of each ID, and the number of its class; -1 where it is none of the six."""
    cut = [one.rpartition("_") for one in ids]  # several times faster than the string methods of a Series
    images = pd.Series([image for image, _, _ in cut], dtype=str)
    return images, pd.Index(CLASSES).get_indexer(pd.Index([name for _, _, name in cut]))


def _refuse_row(path: Path, block: pd.DataFrame, wrong: np.ndarray, fact: str) -> None:
    if wrong.any():
        row = block.iloc[int(wrong.argmax())]
        raise BadInput(f"{path}: {row['ID']} {fact} (label {row['Label']}); {wrong.sum()} such rows")
