"""How much of each vertebra, and of its fracture, each slice shows, as the networks of stage 53 see it."""

from __future__ import annotations

import pandas as pd

from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.tables import read_table
from hounsfield.spine.paths import TABLE
from hounsfield.spine.tables import PSEUDO_SCHEMA


def read_pseudo_labels(labels: Upstream) -> pd.DataFrame:
    """The rows of all slices of the training studies, PSEUDO_SCHEMA, study after study and from head to feet."""
    return read_table(labels.file(TABLE), PSEUDO_SCHEMA, remedy=labels.remedy)
