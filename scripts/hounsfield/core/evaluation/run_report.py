"""What a finished run says of itself, whatever its system: of this the report and the model card are made.

N rows of a level (slices, films or studies), C names. A run is named <system>/<experiment>.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import SUFFIX, Calibration
from hounsfield.core.evaluation.calibration import Level as CalibrationLevel
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.tables import escape_cell

# row and column of a level -> (height, width) or (height, width, 3) uint8, as a person would look at it
PictureOf = Callable[[int, int], np.ndarray]
NOTHING_HELD_OUT = (
    "holds no out-of-fold predictions, and so no scores; name a run that was cross-validated on the data set that it "
    "was trained on"
)


@dataclass(frozen=True)
class StageAnswers:
    """What one stage of the run says of the rows of a level, out of fold."""

    name: str  # that of its row in the table of scores
    probabilities: np.ndarray  # (N, C)
    losses: np.ndarray  # (N,), lower is better; NaN where a row does not count
    models: str  # which models made them, in words


@dataclass(frozen=True)
class Level:
    """Rows of one kind whose patients the models behind their predictions have not learnt from, or only by design."""

    row: str  # what one row is: slice, film, study
    rows: str  # and several of them
    names: tuple[str, ...]  # of the C columns
    ids: np.ndarray  # (N,) pseudonyms
    patients: np.ndarray  # (N,) pseudonyms
    folds: np.ndarray  # (N,) int
    labels: np.ndarray  # (N, C) float64; positive above 0.5, NaN where unknown
    stages: Sequence[StageAnswers]  # the last one is what the run answers
    how: str  # how a row gets its probability, in words
    loss: str  # what the losses are, in words
    compared: tuple[str, str] | None = None  # an earlier and a later stage, whose losses are compared row by row
    calibrated: np.ndarray | None = None  # (N, C) of the answer, by calibrators of other patients; NaN where none is
    picture: PictureOf | None = None  # None: there are none of this level
    pictures: str = ""  # what they show, in a sentence

    @property
    def calibration(self) -> CalibrationLevel:
        """Under which level the run's calibration has it: a film's stands as that of a slice."""
        return "study" if self.row == "study" else "slice"

    @property
    def answer(self) -> StageAnswers:
        """What the run answers."""
        return self.stages[-1]

    def stage(self, name: str) -> StageAnswers:
        """The stage of a name."""
        return next(one for one in self.stages if one.name == name)


@dataclass(frozen=True)
class ShiftedAnswers:
    """What the run answers for rows of its first level whose images, or whose series, were changed."""

    name: str
    words: str  # what was changed
    rows: np.ndarray  # (K,) places among the N rows of the level
    probabilities: np.ndarray  # (K, C)
    losses: np.ndarray  # (K,), as those of the level


def counted(values: pd.Series) -> dict[str, int]:
    """How often each value is there, the most frequent first."""
    return {str(value): int(count) for value, count in values.value_counts().items()}


@dataclass(frozen=True)
class FlowStep:
    """How many were left at one step on the way from the files to what is scored, and what was left out before it."""

    what: str
    count: int
    left_out: Sequence[tuple[str, int]] = ()  # reason, how many


@dataclass(frozen=True)
class Spread:
    """How one quantity is spread over a data set."""

    name: str
    unit: str
    meaning: str  # in a sentence
    values: np.ndarray  # NaN where it is unknown


@dataclass(frozen=True)
class RunReport:
    """A finished run."""

    run: Upstream
    task: str  # what the models are asked, in a sentence
    method: str  # how they answer, in a sentence
    published: str  # where the recipe is from
    data_set: str
    drawn: bool  # its images are phantoms
    seen: np.ndarray  # (N,) of the first level: how what predicts a row has seen its patient; "": not at all
    seen_by_design: str  # in words, where a published recipe has it so
    levels: Sequence[Level]  # the first one is what the competition scores
    scores: pd.DataFrame  # of scores.csv
    calibration: Calibration
    flow: Sequence[FlowStep]
    spreads: Sequence[Spread] = ()
    spread_of: str = "rows"  # what the values of the spreads are of: series, studies, films
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # what was found how often, by heading
    shifts: Sequence[ShiftedAnswers] = ()  # the first one is unchanged, and computed in the same way
    without_shifts: str = ""  # why there are none, in a sentence
    answers: Mapping[str, str] = field(default_factory=dict)  # to items of reporting guidelines, by their keys

    @property
    def name(self) -> str:
        """<system>/<experiment>"""
        return f"{self.run.folder.parent.name}/{self.run.folder.name}"


def calibrated_answers(
    run: Upstream, file: str, key: str, ids: Sequence[str], names: Sequence[str]
) -> np.ndarray | None:
    """The calibrated values of some rows out of a table of out-of-fold answers, (N, C); None where it has none.

    file: the table's name. key: its column of identifiers. Names that the run could not calibrate are NaN.
    """
    if file not in run.record["files"]:
        return None
    table = pd.read_csv(run.file(file), dtype={key: str}).set_index(key)
    columns = [f"{name}{SUFFIX}" for name in names]
    if not set(columns) & set(table.columns):
        return None
    rows = [escape_cell(str(one)) for one in ids]  # as the table has them
    return table.reindex(index=rows, columns=columns).to_numpy(np.float64)
