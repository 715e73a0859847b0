"""Answers that a person can use: a table with a row per slice, one with a row per study, and its printed form.

N slices, S studies, C names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.counts import count_of
from hounsfield.core.dicom.reason_codes import LISTS_OF_FILES
from hounsfield.core.evaluation.calibration import SUFFIX, Calibration, uncalibrated
from hounsfield.core.evaluation.score_table import aligned
from hounsfield.core.evaluation.study_rule import Studies, StudyRule, study_values
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.files import atomic_write
from hounsfield.core.storage.tables import escape_cell

SLICE_COLUMNS = ("study", "series", "file", "image_id", "position_mm", "order")  # before the probabilities
TEXTS = (
    "study",
    "folder",
    "series",
    "file",
    "film_id",
    "image_id",
    "flags",
)  # some of it foreign: header text or file names
STUDY_TEXTS = ("study", "rule", "scored_on", "calibration", "trained_on", "warnings")
REFUSED = "refused.csv"
REFUSED_COLUMNS = ("path", "reason", "message")
UNPLACED = "(no study)"  # of files that were refused and lie beside no slice, or beside those of several studies
MANY_STUDIES = 40  # more are not printed one by one


@dataclass(frozen=True)
class Answers:
    """What is known of a set of predicted studies."""

    slices: pd.DataFrame  # N rows with SLICE_COLUMNS and flags
    probabilities: np.ndarray  # (N, C)
    rule: StudyRule  # its names are those of the columns
    trained_on: str  # what the models have learnt from, in words; it stands on every answer
    refused: pd.DataFrame  # REFUSED_COLUMNS, a row per file
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by study
    calibration: Calibration = field(default_factory=lambda: uncalibrated("no calibration was asked for"))
    nested: np.ndarray | None = None  # (N, C) of out-of-fold slices, by calibrators of other patients

    @property
    def names(self) -> list[str]:
        """The columns of `probabilities`."""
        return list(self.rule.answers)


def slice_table(answers: Answers) -> pd.DataFrame:
    """A row per slice: where it is from, each name's probability, raw and calibrated, every flag, and what the models
    learnt from.
    """
    table = answers.slices[list(SLICE_COLUMNS)].reset_index(drop=True)
    calibrated, flags = answers.nested, answers.slices["flags"].reset_index(drop=True)
    if calibrated is None:
        calibrated = answers.calibration.apply("slice", answers.probabilities)
    values = with_calibrated(answers.names, answers.probabilities, calibrated)
    about = {"calibration": answers.calibration.words("slice"), "trained_on": answers.trained_on}
    return table.join(values).assign(flags=flags, **about)


def with_calibrated(names: Sequence[str], probabilities: np.ndarray, calibrated: np.ndarray) -> pd.DataFrame:
    """The raw columns, then the calibrated ones, which stay empty where nothing is calibrated; (N, C) each."""
    columns = [*names, *(f"{name}{SUFFIX}" for name in names)]
    return pd.DataFrame(np.hstack([probabilities, calibrated]), columns=columns)


def study_table(answers: Answers) -> pd.DataFrame:
    """A row per study, in the order of the slices, and one for refused files that belong to none.

    Probabilities by the rule, raw and calibrated; then, for each name, the threshold and what it was worth out of fold.
    """
    slices, rule = answers.slices, answers.rule
    studies = Studies(*(slices[name].to_numpy() for name in ("study", "series", "order")))
    raw = study_values(answers.probabilities, studies, rule.neighbours)
    calibrated = answers.calibration.apply("study", raw.to_numpy())
    values = with_calibrated(answers.names, raw.to_numpy(), calibrated).set_index(raw.index)
    groups = slices.groupby("study")
    flagged = slices["flags"].ne("").groupby(slices["study"]).sum()
    refused = pd.Series(refused_by_study(slices, answers.refused), dtype=object).value_counts()
    table = pd.DataFrame({"series": groups["series"].nunique(), "slices": groups.size(), "flagged": flagged})
    table = table.join(values).loc[slices["study"].unique()].rename_axis("study").reset_index()
    table.insert(3, "refused", table["study"].map(refused).fillna(0).astype(int))
    if UNPLACED in refused.index:
        lost = {"study": UNPLACED, "series": 0, "slices": 0, "refused": int(refused[UNPLACED]), "flagged": 0}
        table = pd.concat([table, pd.DataFrame([lost])], ignore_index=True)
    for name, answer in rule.answers.items():
        facts = {"threshold": answer.threshold, "sensitivity": answer.sensitivity, "specificity": answer.specificity}
        table = table.assign(**{f"{fact}_{name}": value for fact, value in facts.items()})
    warnings = table["study"].map(lambda study: "; ".join(answers.warnings.get(study, ())))
    about = {"rule": rule.name, "scored_on": rule.scored_on, "calibration": answers.calibration.words("study")}
    return table.assign(**about, trained_on=answers.trained_on, warnings=warnings)


def read_refused(data: Upstream) -> pd.DataFrame:
    """The refused files of a data set, with the columns path, reason and message; none where it has no such list.

    What only lists the others is no file that could not be used.
    """
    path = data.folder / "rejected.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(REFUSED_COLUMNS), dtype=str)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)[list(REFUSED_COLUMNS)]
    return table[~table["reason"].isin(LISTS_OF_FILES)].reset_index(drop=True)


def refused_of_studies(data: Upstream, slices: pd.DataFrame) -> pd.DataFrame:
    """The refused files of a data set as `read_refused` has them, each with its study; a lone study has all of them.

    slices: study and file of all that is used.
    """
    refused, studies = read_refused(data), slices["study"].unique()
    return refused.assign(study=studies[0] if len(studies) == 1 else refused_by_study(slices, refused))


def refused_by_study(slices: pd.DataFrame, refused: pd.DataFrame) -> list[str]:
    """The study of each refused file: that of the slices in the same folder, where these are of one; else UNPLACED."""
    folders = slices["file"].map(_folder)
    found = slices["study"].groupby(folders).agg(["first", "nunique"])
    studies = found["first"].where(found["nunique"] == 1, UNPLACED)
    return [studies.get(_folder(path), UNPLACED) for path in refused["path"]]


def _folder(path: str) -> str:
    return str(PurePosixPath(str(path)).parent)  # published tables name no file


def write_answers(folder: Path, answers: Answers) -> list[str]:
    """Write findings.csv, studies.csv and refused.csv; returns their names.

    A cell that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    refused = answers.refused[list(REFUSED_COLUMNS)]
    tables = {"findings.csv": slice_table(answers), "studies.csv": study_table(answers), REFUSED: refused}
    for name, table in tables.items():
        write_csv(folder / name, table)
    return list(tables)


def write_identified(folder: Path, identifiers: pd.DataFrame) -> Path:
    """Write findings.csv and studies.csv of `folder` once more, in its folder identified/, with identifiers of headers.

    identifiers: patient_id, study_uid and series_uid, indexed by file; where a header has none, the pseudonym stays.
    """
    findings = pd.read_csv(folder / "findings.csv", dtype=dict.fromkeys(TEXTS, str))
    studies = pd.read_csv(folder / "studies.csv", dtype={"study": str})
    own = identifiers.set_axis(identifiers.index.map(escape_cell), axis=0).reindex(findings["file"]).reset_index()
    own = own.where(own != "")
    by_study = own.groupby(findings["study"])[["patient_id", "study_uid"]].first()
    named = by_study.reindex(studies["study"]).reset_index(drop=True)
    findings = findings.assign(
        study=own["study_uid"].fillna(findings["study"]), series=own["series_uid"].fillna(findings["series"])
    )
    findings.insert(0, "patient", own["patient_id"])
    studies = studies.assign(study=named["study_uid"].fillna(studies["study"]))
    studies.insert(0, "patient", named["patient_id"])
    for name, table in (("findings.csv", findings), ("studies.csv", studies)):
        write_csv(folder / "identified" / name, table)
    return folder / "identified"


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, its foreign text made harmless."""
    texts = [name for name in (*TEXTS, *REFUSED_COLUMNS, "patient", "warnings", "trained_on") if name in table]
    table = table.assign(**{name: table[name].fillna("").map(lambda cell: escape_cell(str(cell))) for name in texts})
    with atomic_write(path) as partial:
        table.to_csv(partial, index=False, float_format="%.6f", lineterminator="\n")


def printed(folder: Path) -> str:
    """What `write_answers` left, for a terminal: a line per study, a star where a threshold is reached."""
    table = pd.read_csv(folder / "studies.csv", dtype=dict.fromkeys(STUDY_TEXTS, str))
    table = table.fillna(dict.fromkeys(STUDY_TEXTS, ""))
    names = [name.removeprefix("threshold_") for name in table.columns if name.startswith("threshold_")]
    first = table.iloc[0]
    lines = [f"From slices to studies: {first['rule']}; {first['scored_on']}.", *_scored_line(first, names)]
    lines += [f"Models trained on: {first['trained_on']}", ""]
    rows = [["study", "slices", "refused", "flagged", *names]]
    for row in table.head(MANY_STUDIES).to_dict("records"):
        facts = [str(row[name]) for name in rows[0][:4]]
        rows.append([*facts, *(_cell(row[name], row[f"threshold_{name}"]) for name in names)])
    lines += aligned(rows)
    if len(table) > MANY_STUDIES:
        lines.append(f"and {count_of(len(table) - MANY_STUDIES, 'more rows')} in studies.csv")
    lines += [*warning_lines(table), *refused_lines(folder)]
    return "\n".join([*lines, "", f"studies: {folder / 'studies.csv'}", f"findings: {folder / 'findings.csv'}"])


def warning_lines(table: pd.DataFrame) -> list[str]:
    """The warnings of a table of answers, a line per study. table: study and warnings."""
    warned = table[table["warnings"] != ""].head(MANY_STUDIES)
    return [f"warning, {row['study']}: {row['warnings']}" for row in warned.to_dict("records")]


def refused_lines(folder: Path) -> list[str]:
    """How many files were refused for each reason, by `refused.csv` of a folder of answers."""
    reasons = pd.read_csv(folder / REFUSED, dtype=str, keep_default_na=False)["reason"].value_counts()
    return [f"refused {count}: {reason} (see {folder / REFUSED})" for reason, count in reasons.items()]


def _scored_line(row: Any, names: Sequence[str]) -> list[str]:
    """Sensitivity and specificity of each name out of fold. row: of the table of studies."""
    known = [name for name in names if not row[[f"sensitivity_{name}", f"specificity_{name}"]].isna().all()]
    rates = rates_in_words(row, known)
    return [f"* at or above its threshold; sensitivity / specificity there: {rates}"] if rates else []


def rates_in_words(row: Any, names: Sequence[str]) -> str:
    """Sensitivity / specificity of each name, which a row has as `sensitivity_` and `specificity_` before the name."""
    return ", ".join(
        f"{name} {_share(row[f'sensitivity_{name}'])} / {_share(row[f'specificity_{name}'])}" for name in names
    )


def _share(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.2f}"


def _cell(probability: float, threshold: float) -> str:
    if np.isnan(probability):
        return ""
    return f"{probability:.3f}{'*' if probability >= threshold else ''}"
