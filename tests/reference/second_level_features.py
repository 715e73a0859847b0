"""Features of the second level, from the specification of the 11th-place system, section 7, step 6.

    Features for class c: c's prediction at the 9 slices before and after (missing beyond the ends; the published
    code wraps round to the study's end where a slice has too few before it) within the study in order of position,
    all six predictions of the slice, number of slices in the study, position (PositionOrd), the study's mean
    prediction, brain_ratio. (In the original `mean_by_study` holds the last class's mean only: a slip. Here: the
    mean for class c.)
    PositionOrd = rank of z within the series / number of slices

By hand, a study of three slices that come out of order, with predictions .1, .2, .6 of `subdural` from the
first position to the last, and .75 of all others; the mean is .9 / 3 = .3. One neighbour, then two:

    place   before_1   after_1   position_ord   study_mean
    1       missing    .2        1/3            .3
    2       .1         .6        2/3            .3
    3       .2         missing   1              .3

>>> def slice_of(place, prediction):
...     return {"series": 7, "order": place, **dict.fromkeys(CLASSES, 0.75), "subdural": prediction, "brain_ratio": 0.5}
>>> study = [slice_of(2, 0.6), slice_of(0, 0.1), slice_of(1, 0.2)]
>>> table = plain_features(study, "subdural", neighbours=1)
>>> table[["before_1", "after_1", "position_ord", "study_mean"]].round(4)
   before_1  after_1  position_ord  study_mean
0       0.2      NaN        1.0000         0.3
1       NaN      0.2        0.3333         0.3
2       0.1      0.6        0.6667         0.3
>>> table[["subdural", "any", "slices_in_study", "brain_ratio"]].to_numpy().tolist()[1:]
[[0.10000000149011612, 0.75, 3.0, 0.5], [0.20000000298023224, 0.75, 3.0, 0.5]]

Wrapped round, the slice before the first is the last, and the second before it the last but one; a place
more than the study's length before its first slice does not exist:

>>> plain_features(study, "subdural", neighbours=2, wrap_round=True)[["before_2", "before_1", "after_1", "after_2"]]
   before_2  before_1  after_1  after_2
0       0.1       0.2      NaN      NaN
1       0.2       0.6      0.2      0.6
2       0.6       0.1      0.6      NaN
>>> wrapped = plain_features(study, "subdural", neighbours=4, wrap_round=True)
>>> wrapped[["before_4", "before_3"]]
   before_4  before_3
0       0.2       0.6
1       NaN       0.1
2       0.1       0.2
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

CLASSES = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"]


def plain_features(
    slices: list[dict[str, Any]], name: str, neighbours: int = 9, *, wrap_round: bool = False
) -> pd.DataFrame:
    """Features of class `name`, float32: a row per slice, in the order given.

    slices: a dictionary per slice with series, order, brain_ratio and the six predictions by class.
    wrap_round: as published, a place before the study's first slice counts from its end.
    """
    studies: dict[int, list[dict[str, Any]]] = {}
    for one in slices:
        studies.setdefault(one["series"], []).append(one)
    for study in studies.values():
        study.sort(key=lambda one: one["order"])
    mean_of = {series: sum(one[name] for one in study) / len(study) for series, study in studies.items()}

    rows = []
    for one in slices:
        study = studies[one["series"]]
        place = [other is one for other in study].index(True)
        row = {}
        for distance in range(neighbours, 0, -1):
            there = place - distance
            if wrap_round and there < 0:
                there += len(study)
            row[f"before_{distance}"] = study[there][name] if there >= 0 else float("nan")
        for distance in range(1, neighbours + 1):
            there = place + distance
            row[f"after_{distance}"] = study[there][name] if there < len(study) else float("nan")
        for each in CLASSES:
            row[each] = one[each]
        row["slices_in_study"] = len(study)
        row["position_ord"] = (place + 1) / len(study)
        row["study_mean"] = mean_of[one["series"]]
        row["brain_ratio"] = one["brain_ratio"]
        rows.append(row)
    return pd.DataFrame(rows).astype(np.float32)
