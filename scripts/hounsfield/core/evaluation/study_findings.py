"""What is known of one predicted study, whatever the system: of this, findings.json, findings.csv and pages are made.

N slices of a series, C names. A run is named <system>/<experiment>.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import OperatingPoint

SLICE_COLUMNS = ("file", "image_id", "position_mm", "order", "flags")  # flags: in words, "" for none


@dataclass(frozen=True)
class RunFacts:
    """A run whose models have answered."""

    name: str
    digest: str  # of the record of its finished predictions
    models: Mapping[str, str]  # folder of each model below the work folder: digest of its record
    trained_on: str  # in words
    scored_on: str  # in words: on what the answers and thresholds were scored
    scores: Sequence[Mapping[Any, object]]  # the rows of its scores.csv; none where it has none


@dataclass(frozen=True)
class PointMet:
    """An operating point of one name, and whether the study reaches it."""

    name: str  # sensitivity_95, specificity_95 or youden; rule: the threshold of the rule that makes masks
    threshold: float  # of the raw probability
    met: bool
    sensitivity: float | None  # out of fold; None where it could not be scored
    specificity: float | None
    sensitivity_interval: tuple[float, float] | None = None  # 95 %
    specificity_interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, point: OperatingPoint, raw: float) -> PointMet:
        """What a study of this raw probability meets."""
        found, passed = point.sensitivity, point.specificity
        met = raw >= point.threshold
        return cls(point.name, point.threshold, met, found.value, passed.value, found.interval, passed.interval)


@dataclass(frozen=True)
class StudyAnswer:
    """What a run says of the whole study for one name."""

    run: str
    label: str
    raw: float
    calibrated: float | None
    how: str  # the system's study head, or the rule over slices
    points: Sequence[PointMet] = ()


@dataclass(frozen=True)
class ModelValues:
    """The probabilities that one model of a run gives the slices of a series."""

    run: str
    model: str  # classifier, sequence, bag, second level, ...
    raw: np.ndarray  # (N, C)
    calibrated: np.ndarray | None  # (N, C)


@dataclass(frozen=True)
class SeriesFindings:
    """One series of the study, its slices in order."""

    series: str  # pseudonym
    slices: pd.DataFrame  # N rows of SLICE_COLUMNS
    models: Sequence[ModelValues]  # none where the system answers for studies alone
    truth: np.ndarray | None = None  # (N, C), NaN where it is unknown


@dataclass(frozen=True)
class StudyFindings:
    """One study."""

    system: str
    study: str  # pseudonym
    names: tuple[str, ...]  # of the C columns
    runs: Sequence[RunFacts]
    answers: Sequence[StudyAnswer]
    series: Sequence[SeriesFindings]
    truth: Mapping[str, float] = field(default_factory=dict)  # of the study by name, where it is known
    warnings: Sequence[str] = ()
    refused: pd.DataFrame | None = None  # path, reason, message
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step
    picture: str = "slice"  # what one picture of a series is called: slice or film
