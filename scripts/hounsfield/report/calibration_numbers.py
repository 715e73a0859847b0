"""Whether probabilities can be taken at their word, and what calling a row positive at the operating points is worth.

N rows, C names.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from hounsfield.core.evaluation.calibration import NameCalibration, OperatingPoint
from hounsfield.core.evaluation.reliability import BINS, equal_mass_bins, reliability_of
from hounsfield.core.evaluation.run_report import Level
from hounsfield.report.json_numbers import number, numbers


def calibration_numbers(level: Level, column: int, learned: NameCalibration | None) -> dict[str, Any]:
    """Of one name: the reliability of raw and calibrated probabilities, and the confusion at each operating point.

    learned: what the run has stored of the name; None where it has nothing.
    """
    labels, values = level.labels[:, column], {"raw": level.answer.probabilities[:, column]}
    if level.calibrated is not None and learned is not None and learned.changes:
        values["calibrated"] = level.calibrated[:, column]
        labels = np.where(np.isnan(values["calibrated"]), np.nan, labels)  # the same rows of both
    return {
        "calibrator": learned.words if learned else "not calibrated",
        "reliability": {name: reliability(own, labels) for name, own in values.items()},
        "operating_points": [confusion(point) for point in learned.points] if learned else [],
    }


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any] | None:
    """Calibration error, slope and intercept, Brier score, and the diagram: None without a row that is known.

    probabilities, labels: (N,), NaN where unknown. The diagram has a point for each bin of as many rows as any other.
    """
    known = ~np.isnan(labels) & ~np.isnan(probabilities)
    if not known.any():
        return None
    values, truth = probabilities[known], labels[known]
    place = equal_mass_bins(values)
    counts = np.bincount(place, minlength=BINS)
    filled = counts > 0
    means = [np.bincount(place, one, BINS)[filled] / counts[filled] for one in (values, truth)]
    bins = {"predicted": numbers(means[0]), "observed": numbers(means[1]), "rows": counts[filled].tolist()}
    return {**asdict(reliability_of(values, truth)), "rows": int(known.sum()), "bins": bins}


def confusion(point: OperatingPoint) -> dict[str, Any]:
    """How often a point is right and wrong on patients that had no part in choosing it."""
    found, spared = point.sensitivity, point.specificity
    missed, called = found.rows - found.right, spared.rows - spared.right
    return {
        **asdict(point),
        "true_positive": found.right,
        "false_negative": missed,
        "false_positive": called,
        "true_negative": spared.right,
        "positive_predictive_value": _share(found.right, called),
        "negative_predictive_value": _share(spared.right, missed),
    }


def _share(right: int, wrong: int) -> float | None:
    return number(right / (right + wrong)) if right + wrong else None
