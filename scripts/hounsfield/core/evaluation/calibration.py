"""What is stored with a run about its probabilities: how to calibrate them, and what operating points are worth.

Everything in it was learnt from out-of-fold predictions alone. It knows two levels, `slice` (of films: the film) and
`study`. n rows, C names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.calibrators import Calibrator
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.files import read_json, write_json

CALIBRATION = "calibration.json"
VERSION = 1
SUFFIX = "_calibrated"  # of the column beside that of a name
Level = Literal["slice", "study"]
LEVELS: tuple[Level, ...] = get_args(Level)
ABSENT = f"the run has no {CALIBRATION}; the stage that scored it makes one, with --force"


@dataclass(frozen=True)
class Worth:
    """How often an operating point is right: the share, its 95 % interval, and of how many rows."""

    value: float | None  # None: there is no such row
    low: float | None
    high: float | None
    right: int
    rows: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both bounds; None where there are none."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold of one name, and what it is worth on patients that had no part in choosing it.

    `threshold` was chosen on all out-of-fold patients; `sensitivity` and `specificity` are those of thresholds that
    were chosen in the same way without the patients they are scored on. A row is positive from the threshold on.
    """

    name: str  # sensitivity_95, specificity_95 or youden
    threshold: float  # of the raw probability; above 1 where no row may be called positive
    threshold_low: float | None  # 95 % interval of the threshold
    threshold_high: float | None
    sensitivity: Worth
    specificity: Worth


@dataclass(frozen=True)
class Reliability:
    """How far probabilities can be taken at their word; None where that could not be told."""

    ece: float  # expected calibration error
    slope: float | None  # 1 is perfect; below 1 the probabilities are too extreme
    intercept: float | None  # 0 is perfect; below 0 the probabilities are too high
    brier: float
    log_loss: float


@dataclass(frozen=True)
class NameCalibration:
    """What is known of one name at one level. Positive rows are those with a label from 0.5 on."""

    calibrator: Calibrator | None  # None: nothing could be learnt
    reason: str  # why there is none, or why raw probabilities were kept; else empty
    patients: int
    positives: int  # rows
    negatives: int
    raw: Reliability | None = None  # out of fold
    calibrated: Reliability | None = None  # the same rows, each by a calibrator fitted on other patients
    points: tuple[OperatingPoint, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether calibrated probabilities are others than raw ones."""
        return self.calibrator is not None and self.calibrator.method != "none"

    @property
    def words(self) -> str:
        """How the name is calibrated, in words."""
        if self.calibrator is None:
            return f"not calibrated: {self.reason}"
        words = {"temperature": f"temperature {self.calibrator.temperature:.3g}", "isotonic": "isotonic regression"}
        return words.get(self.calibrator.method, f"raw: {self.reason}")


@dataclass(frozen=True)
class Calibration:
    """The content of calibration.json. A level that is not in it is not calibrated."""

    levels: Mapping[Level, Mapping[str, NameCalibration]] = field(default_factory=dict)  # by name, in column order
    notes: Mapping[Level, str] = field(default_factory=dict)  # on what it was learnt, or why nothing was; in words

    def apply(self, level: Level, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, (n, C) -> (n, C) float64; NaN for names that are not calibrated.

        They are for rows of patients that the calibration has not seen. Its own rows have theirs, by calibrators of
        other patients, in out_of_fold.csv.
        """
        found = np.full(probabilities.shape, np.nan)
        if level in self.levels:
            columns = zip(self.levels[level].values(), probabilities.T, found.T, strict=True)
            for known, raw, calibrated in columns:
                if known.calibrator is not None:
                    calibrated[:] = known.calibrator.apply(raw)
        return found

    def points(self, level: Level) -> dict[str, tuple[OperatingPoint, ...]]:
        """The operating points of each name; none for a name without enough rows, and no name without the level."""
        return {name: known.points for name, known in self.levels.get(level, {}).items()}

    def words(self, level: Level) -> str:
        """How the names are calibrated, for an answer: the names that share a way together."""
        ways: dict[str, list[str]] = {}
        for name, known in self.levels.get(level, {}).items():
            ways.setdefault(known.words, []).append(name)
        named = "; ".join(f"{', '.join(names)} {way}" for way, names in ways.items())
        return named or f"not calibrated: {self.notes.get(level, 'nothing was learnt for this level')}"


def uncalibrated(reason: str) -> Calibration:
    """What stands where nothing could be learnt. reason: why, in words."""
    return Calibration(notes=dict.fromkeys(LEVELS, reason))


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write calibration.json; `read_calibration` reads it."""
    levels = {
        level: {name: _as_json(one) for name, one in names.items()} for level, names in calibration.levels.items()
    }
    order = {level: list(names) for level, names in calibration.levels.items()}
    empty: dict[str, Any] = {level: {} for level in LEVELS}
    write_json(path, {"version": VERSION, **empty, **levels, "names": order, "notes": dict(calibration.notes)})


def _as_json(known: NameCalibration) -> dict[str, Any]:
    calibrator = None if known.calibrator is None else known.calibrator.as_json()
    return {**asdict(known), "calibrator": calibrator}


def read_calibration(path: Path) -> Calibration:
    """Read calibration.json; where there is none, as beside an older run, nothing is calibrated.

    Raises BadInput where it is damaged, or of a newer version.
    """
    if not path.exists():
        return uncalibrated(ABSENT)
    found = read_json(path)
    if found.get("version") != VERSION:
        raise BadInput(
            f"{path}: version {found.get('version')} of the file is not known, only {VERSION}; run the stage that "
            "wrote it again, with --force"
        )
    levels = {
        level: {name: _from_json(found[level][name]) for name in found["names"][level]}
        for level in LEVELS
        if found["names"].get(level)
    }
    return Calibration(levels, {level: str(found["notes"][level]) for level in LEVELS if level in found["notes"]})


def calibration_of_run(run: Upstream | None, reason: str) -> Calibration:
    """That of a finished run. reason: why there may be no run."""
    if run is None:
        return uncalibrated(reason)
    return read_calibration(run.file(CALIBRATION)) if CALIBRATION in run.record["files"] else uncalibrated(ABSENT)


def _from_json(found: Mapping[str, Any]) -> NameCalibration:
    reliability = {name: Reliability(**found[name]) if found[name] else None for name in ("raw", "calibrated")}
    calibrator = Calibrator.from_json(found["calibrator"]) if found["calibrator"] else None
    points = tuple(_point(one) for one in found["points"])
    return NameCalibration(**{**found, **reliability, "calibrator": calibrator, "points": points})


def _point(found: Mapping[str, Any]) -> OperatingPoint:
    return OperatingPoint(**{**found, **{name: Worth(**found[name]) for name in ("sensitivity", "specificity")}})
