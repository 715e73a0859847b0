"""The submission, as the configuration wants it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.results import training_prior, write_submission
from hounsfield.stacking.config import StackingConfig
from hounsfield.stacking.results import Results


def write_stacking_submission(
    path: Path, sample: Path, results: Results, prepared: pd.DataFrame, config: StackingConfig
) -> list[str]:
    """Write six rows per test slice, and return the names of what is written.

    prepared: split and labels of the data set's slices. A slice that the sample submission asks for and that has no
    prediction takes the training prior of its class, or, as published, the smallest label of all.
    """
    probabilities, clip = results.test_probabilities, config.submission.clip
    otherwise, words = training_prior(results.label_set, prepared, config.data_set), "the training prior of their class"
    if config.submission.missing == "smallest":
        otherwise, words = np.full(len(otherwise), probabilities.min(initial=1)), "the smallest label of all"
    return write_submission(
        path,
        results.label_set,
        sample,
        results.test_images,
        probabilities,
        otherwise,
        otherwise_is=words,
        clip=clip,
    )
