"""What is submitted for the test films: run lengths, and the findings beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.rle import encode
from hounsfield.competitions.siim2019.submission import fill as submission_of
from hounsfield.competitions.siim2019.submission import sample_films
from hounsfield.competitions.siim2019.submission import write as write_submission
from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.calibration import SUFFIX, Calibration
from hounsfield.core.evaluation.findings import write_csv
from hounsfield.core.logs import logger, progress
from hounsfield.core.storage.tables import escape_cell
from hounsfield.pneumothorax.config import SubmissionConfig, Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms
from hounsfield.pneumothorax.regions import submitted_mask
from hounsfield.pneumothorax.rules import film_probability

NAME = "pneumothorax"  # the one class
SHOWN = 10  # identifiers in a message
SUBMISSION, FINDINGS, SCORES, OUT_OF_FOLD = "submission.csv", "findings.csv", "scores.csv", "out_of_fold.csv"


def write_test_films(
    folder: Path, films: MappedFilms, rule: Triplet, config: SubmissionConfig, sample: Path, calibration: Calibration
) -> pd.DataFrame:
    """Write submission and findings of the test films; returns what was predicted.

    That is as `predict_test_films` has it, with the calibrated probability beside the raw one.

    sample: the sample submission; without one the submission has one row for each test film. A film that it asks for
    without a map is given an empty mask, and named.
    """
    asked = sample_films(sample) if sample.exists() else films.films["film_id"].iloc[films.test].tolist()
    predicted = predict_test_films(films, rule, config, Counter(asked))
    calibrated = calibration.apply("study", predicted[["probability"]].to_numpy())[:, 0]
    predicted.insert(3, f"probability{SUFFIX}", calibrated)  # beside the raw one
    predicted["calibration"] = calibration.words("study")
    texts = dict(zip(predicted["film_id"], predicted["run_lengths"], strict=True))
    submission = submission_of(asked, texts)
    for what, found in (
        ("films of the sample submission without a map, for which stands an empty mask", submission.filled),
        ("mapped films that the sample submission lacks, left out", submission.left_out),
    ):
        if found:
            logger.warning("%s; the first: %s", count_of(len(found), what), ", ".join(map(escape_cell, found[:SHOWN])))
    write_submission(folder / SUBMISSION, submission)
    write_csv(folder / FINDINGS, predicted.drop(columns="run_lengths"))
    return predicted


def predict_test_films(
    films: MappedFilms, rule: Triplet, config: SubmissionConfig, rows_of: Mapping[str, int]
) -> pd.DataFrame:
    """One row per test film: film_id, path, probability, pneumothorax, pixels, share, and its mask as run lengths.

    rows_of: how many rows the sample submission has of a film; 1 where it has none. Masks have the films' own size.
    """
    found = []
    for row in progress(films.test.tolist(), total=len(films.test), unit="film", label="submit"):
        film, values = films.films.iloc[row], films.maps.values(row)
        size = (int(film["rows"]), int(film["columns"]))
        mask = submitted_mask(values, rule, config, size, rows_of.get(film["film_id"], 1))
        pixels = int(np.count_nonzero(mask))
        found.append(
            (film["film_id"], film["path"], film_probability(values, rule), pixels, pixels / mask.size, encode(mask))
        )
    table = pd.DataFrame(found, columns=["film_id", "path", "probability", "pixels", "share", "run_lengths"])
    table.insert(3, NAME, (table["pixels"] > 0).astype(np.int8))
    return table
