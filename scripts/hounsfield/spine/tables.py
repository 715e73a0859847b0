"""Tables that one stage of this system writes and another reads."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2022.labels import VERTEBRAE
from hounsfield.competitions.rsna2022.tables import BOX
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.tables import read_table
from hounsfield.spine.paths import TABLE

# a study's neck, found by the localiser: where to crop, and which slices to look at
BOX_SCHEMA = pa.schema(
    [
        ("study_uid", pa.string()),
        *((name, pa.float32()) for name in BOX),  # pixels of the volume; x1 and y1 are the ends, not within
        ("first_slice", pa.int32()),  # rows of the volume, from head to feet ...
        ("last_slice", pa.int32()),  # ... and this one is within
        ("presence", pa.float32()),  # the highest probability that a triplet shows the neck: how sure the box is
        ("fallback", pa.bool_()),  # no triplet was sure enough; the box is the configured one, the range all slices
    ]
)
RATIO_PREDICTIONS = tuple(f"{name}_pred" for name in VERTEBRAE)
FRACTURE_TARGETS = tuple(f"{name}_frac" for name in VERTEBRAE)
PSEUDO_SCHEMA = pa.schema(
    [
        ("study_uid", pa.string()),
        ("slice", pa.int32()),
        *((name, pa.float32()) for name in RATIO_PREDICTIONS),  # 0 to 1, of the vertebra's most in any slice
        *((name, pa.float32()) for name in FRACTURE_TARGETS),  # the same times the study's label; null without one
        ("models", pa.string()),  # which models' mean it is: names of configuration, fold and seeds, with blanks
    ]
)


def read_pseudo_labels(labels: Upstream) -> pd.DataFrame:
    """How much of each vertebra, and of its fracture, the slices of the training studies show: PSEUDO_SCHEMA.

    Study after study, and from head to feet, as the networks of stage 53 see it.
    """
    return read_table(labels.file(TABLE), PSEUDO_SCHEMA, remedy=labels.remedy)
