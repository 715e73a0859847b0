"""The submission of SIIM-ACR 2019: a CSV with the columns ImageId and EncodedPixels, one row per film or several.

The first stage's sample submission has a row per annotation, so that some films stand in it several times; the second
stage's has one row per film. L rows of the submission.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hounsfield.competitions.siim2019.paths import PREPARE
from hounsfield.competitions.siim2019.rle import EMPTY
from hounsfield.competitions.siim2019.rle_table import FILM, RUNS, read_columns
from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.files import atomic_write


class Submission(NamedTuple):
    """What is to be submitted, and how far predictions and sample agree."""

    films: list[str]  # (L,)
    texts: list[str]  # (L,) run lengths
    filled: list[str]  # films of the sample without a prediction: their mask is empty
    left_out: list[str]  # predicted films that the sample does not ask for


def sample_films(path: Path) -> list[str]:
    """The film of each row of a sample submission, in its order, (L,). Raises MissingInput or BadInput."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing; make it with: {PREPARE}") from None
    films = [name.strip() for name in read_columns(content, str(path), FILM)[FILM]]
    films = [name for name in films if name]
    if not films:
        raise BadInput(
            f"{path} names no film; put the competition's own beside the films, and prepare again: {PREPARE}"
        )
    return films


def fill(films: Sequence[str], predicted: Mapping[str, str]) -> Submission:
    """The run lengths of each row: of a film that stands several times, its whole mask in the first.

    predicted: run lengths by film. Raises BadInput when no film has any: then it is another data set's sample.
    """
    asked = dict.fromkeys(films)
    filled = [film for film in asked if film not in predicted]
    if asked and len(filled) == len(asked):
        raise BadInput(
            f"none of the {len(asked)} films of the sample ({films[0]}, ...) is predicted: another data set's?"
        )
    seen: set[str] = set()
    texts = []
    for film in films:
        texts.append(EMPTY if film in seen else predicted.get(film, EMPTY))
        seen.add(film)
    return Submission(list(films), texts, filled, [film for film in predicted if film not in asked])


def write(path: Path, submission: Submission) -> None:
    """Write the submission and check what was written; only then does it get its name."""
    with atomic_write(path) as partial:
        with partial.open("w", encoding="utf-8", newline="") as text:
            table = csv.writer(text, lineterminator="\n")
            table.writerow((FILM, RUNS))
            table.writerows(zip(submission.films, submission.texts, strict=True))
        check(partial, submission.films)


def check(path: Path, films: Sequence[str]) -> None:
    """Hold a written submission against the films of the sample: the same, as often each, in the same order.

    Raises BadInput naming the first row that is wrong.
    """
    table = read_columns(path.read_bytes(), str(path), FILM, RUNS)
    found: pd.Series = table[FILM]
    if len(found) != len(films):
        raise BadInput(f"{path}: {count_of(len(found), 'rows')} instead of {len(films)}")
    for number, (own, wanted) in enumerate(zip(found, films, strict=True), 2):
        if own != wanted:
            raise BadInput(f"{path}: row {number} is of {own[:64]}, and {wanted} is expected")
    empty = table[RUNS].str.strip() == ""
    if empty.any():
        raise BadInput(f"{path}: {count_of(int(empty.sum()), 'rows hold no run lengths')}; an empty mask is {EMPTY}")
