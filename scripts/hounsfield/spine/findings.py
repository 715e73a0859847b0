"""Answers that a person can use: a row per study with its eight probabilities, its box, and where each vertebra lies.

N studies. Slices are named by the numbers of their files, as a viewer shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES, OVERALL
from hounsfield.competitions.rsna2022.tables import BOX
from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.calibration import Calibration, uncalibrated
from hounsfield.core.evaluation.findings import (
    MANY_STUDIES,
    REFUSED,
    REFUSED_COLUMNS,
    refused_lines,
    warning_lines,
    with_calibrated,
    write_csv,
)
from hounsfield.core.evaluation.score_table import aligned
from hounsfield.core.storage.tables import escape_cell
from hounsfield.spine.box_quality import PEAKS, RANGE

FINDINGS, OUT_OF_FOLD = "findings.csv", "out_of_fold.csv"
TEXTS = ("study", "folder", "flags", "calibration", "trained_on", "warnings")
ORIGINS = ("patient_id", "study_uid")  # of the identifiers in the files' headers


@dataclass(frozen=True)
class Answers:
    """What is known of a set of predicted studies."""

    studies: pd.DataFrame  # N rows of STUDY_SCHEMA
    slices: pd.DataFrame  # study_uid, slice, slice_number and path of theirs, and of others
    probabilities: np.ndarray  # (N, 8)
    boxes: pd.DataFrame  # BOX_SCHEMA of theirs, and of others
    peaks: pd.DataFrame  # as `peaks_of` gives them
    trained_on: str  # what the networks have learnt from, in words; it stands on every answer
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by study
    calibration: Calibration = field(default_factory=lambda: uncalibrated("no calibration was asked for"))
    nested: np.ndarray | None = None  # (N, 8) of out-of-fold studies, by calibrators of other patients

    @property
    def calibrated(self) -> np.ndarray:
        """(N, 8), NaN where nothing is calibrated."""
        return self.calibration.apply("study", self.probabilities) if self.nested is None else self.nested


def study_table(answers: Answers) -> pd.DataFrame:
    """A row per study, in the order of the studies."""
    studies = answers.studies["study_uid"].to_numpy()
    table = with_calibrated(NAMES, answers.probabilities, answers.calibrated)
    table.insert(0, "study", studies)
    table.insert(1, "folder", _folders(answers.slices).reindex(studies).to_numpy())
    boxes = answers.boxes.set_index("study_uid").reindex(studies).reset_index(drop=True)
    table = table.join(boxes[[*BOX, "presence", "fallback"]])
    numbers = answers.slices.set_index(["study_uid", "slice"])["slice_number"]
    of_range = boxes[list(RANGE)].set_axis(studies, axis=0)
    for name, rows in {**of_range, **answers.peaks.reindex(studies)[list(PEAKS)]}.items():
        places = pd.MultiIndex.from_arrays([studies, rows.to_numpy()])
        table[name] = numbers.reindex(places).astype("Int64").to_numpy()
    about = answers.studies[["slices", "slice_spacing_mm", "flags"]].reset_index(drop=True)
    warnings = ["; ".join(answers.warnings.get(study, ())) for study in studies]
    words = {"calibration": answers.calibration.words("study"), "trained_on": answers.trained_on}
    return table.join(about).assign(**words, warnings=warnings)


def _folders(slices: pd.DataFrame) -> pd.Series:
    """The folder of each study's first file."""
    first = slices.groupby("study_uid")["path"].first()
    return first.map(lambda path: str(PurePosixPath(str(path)).parent))


def write_answers(folder: Path, answers: Answers, refused: pd.DataFrame) -> list[str]:
    """Write findings.csv and refused.csv; returns their names. refused: REFUSED_COLUMNS, a row per file."""
    write_csv(folder / FINDINGS, study_table(answers))
    write_csv(folder / REFUSED, refused[list(REFUSED_COLUMNS)])
    return [FINDINGS, REFUSED]


def write_out_of_fold(path: Path, answers: Answers) -> None:
    """Write the same table of labelled studies, with their labels and the fold that held them out."""
    labels = answers.studies[list(NAMES)].add_prefix("label_").reset_index(drop=True)
    write_csv(path, study_table(answers).join(labels).assign(fold=answers.studies["fold"].to_numpy()))


def write_identified(folder: Path, slices: pd.DataFrame, identifiers: pd.DataFrame) -> Path:
    """Write findings.csv of `folder` once more, in its folder identified/, with identifiers of headers.

    slices: study_uid and path. identifiers: ORIGINS, indexed by path; where a header has none, the pseudonym stays.
    """
    own = identifiers[list(ORIGINS)].reindex(slices["path"]).replace("", None)
    named = own.groupby(slices["study_uid"].map(escape_cell).to_numpy()).first()
    table = _read(folder)
    given = named.reindex(table["study"]).reset_index(drop=True)
    table["study"] = given["study_uid"].fillna(table["study"])
    table.insert(0, "patient", given["patient_id"])
    write_csv(folder / "identified" / FINDINGS, table)
    return folder / "identified"


def printed(folder: Path) -> str:
    """What `write_answers` left, for a terminal: a line per study."""
    table = _read(folder)
    lines = [f"Networks trained on: {table.iloc[0]['trained_on']}", ""]
    rows = [["study", "slices", "box", *NAMES]]
    for row in table.head(MANY_STUDIES).to_dict("records"):
        sure = "none" if row["fallback"] else f"{row['presence']:.2f}"
        rows.append([row["study"], str(row["slices"]), sure, *(f"{row[name]:.3f}" for name in NAMES)])
    meaning = f"box: how sure it is that the slices show a neck. {OVERALL}: any fracture of C1 to C7"
    lines += [*aligned(rows), "", meaning]
    if len(table) > MANY_STUDIES:
        lines.append(f"and {count_of(len(table) - MANY_STUDIES, 'more studies')} in {FINDINGS}")
    return "\n".join([*lines, *warning_lines(table), *refused_lines(folder), "", f"findings: {folder / FINDINGS}"])


def _read(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / FINDINGS, dtype=dict.fromkeys(TEXTS, str))
    return table.fillna(dict.fromkeys(TEXTS, ""))
