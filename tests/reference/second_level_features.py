"""The features of the second level (RSNA 2019, 11th place), a dictionary a slice; with the mean of the right class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

CLASSES = ["epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"]


def plain_features(slices: list[dict[str, Any]], name: str, neighbours: int = 9) -> pd.DataFrame:
    """Features of class `name`, a row a slice in the order given, float32.

    slices: a dictionary a slice with image_id, series, order, position_ord, brain_ratio and six probabilities.
    """
    by_image = {one["image_id"]: one for one in slices}
    studies: dict[int, list[str]] = {}
    for one in slices:
        studies.setdefault(one["series"], []).append(one["image_id"])
    for images in studies.values():
        images.sort(key=lambda image: by_image[image]["order"])
    means = {}
    for series, images in studies.items():
        total = 0.0
        for image in images:
            total += by_image[image][name]
        means[series] = total / len(images)
    rows = []
    for one in slices:
        images = studies[one["series"]]
        place = images.index(one["image_id"])
        row = {}
        for distance in range(neighbours, 0, -1):
            at = place - distance
            row[f"before_{distance}"] = by_image[images[at]][name] if at >= 0 else float("nan")
        for distance in range(1, neighbours + 1):
            at = place + distance
            row[f"after_{distance}"] = by_image[images[at]][name] if at < len(images) else float("nan")
        for other in CLASSES:
            row[other] = one[other]
        row["slices_in_study"] = len(images)
        row["position_ord"] = one["position_ord"]
        row["study_mean"] = means[one["series"]]
        row["brain_ratio"] = one["brain_ratio"]
        rows.append(row)
    return pd.DataFrame(rows).astype(np.float32)
