"""External validation: a trained run scored on another labelled data set, whose patients it has not seen.

N slices of the data set, M of them labelled, C names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import PROBABILITY_CLIP
from hounsfield.core.errors import WrongTable
from hounsfield.core.evaluation.by_study import UNITS, labels_by_unit
from hounsfield.core.evaluation.external import external_scores
from hounsfield.core.evaluation.findings import rates_in_words
from hounsfield.core.evaluation.labels import LabelSet, weighted_labels
from hounsfield.core.evaluation.score_table import COUNTED, METRIC, System, aligned
from hounsfield.core.evaluation.study_rule import Studies, StudyRule, study_values
from hounsfield.core.intake.label_matching import by_name, nothing_fits
from hounsfield.core.intake.label_tables import Key, LabelTable
from hounsfield.core.logs import logger

VALIDATION_COLUMNS = ("path", "patient_id", "study_uid", "series_uid", "series", "order")  # of slices
OF_HEADERS: dict[Key, str] = {"instance": "sop_uid", "series": UNITS["series"], "study": UNITS["study"]}


class Labelled(NamedTuple):
    """What of a data set is labelled: slices, series or studies."""

    label_set: LabelSet  # the names of the run that the table has labels of
    columns: np.ndarray  # (C,) which of the run's names these are
    rows: np.ndarray  # (M,) positions in slices.parquet; of a series or study that of one of its slices
    labels: np.ndarray  # (M, C)
    patients: np.ndarray  # (M,)

    @property
    def unit(self) -> str:
        """What is labelled, as its column of identifiers is called."""
        return self.label_set.row

    def answers(self, probabilities: np.ndarray, slices: pd.DataFrame, rule: StudyRule) -> np.ndarray:
        """What is answered of each labelled row, (M, C): of a series or study by the rule of studies.csv.

        probabilities: (N, all names of the run). slices: N rows with VALIDATION_COLUMNS.
        """
        if self.unit not in UNITS.values():
            return probabilities[np.ix_(self.rows, self.columns)]
        units = slices[self.unit].to_numpy()
        places = Studies(units, slices["series"].to_numpy(), slices["order"].to_numpy())
        return study_values(probabilities, places, rule.neighbours).loc[units[self.rows]].to_numpy()[:, self.columns]


def classes_of(run: LabelSet, table: LabelTable) -> list[str]:
    """The classes of the run that the table has labels of. Raises WrongTable where there is none."""
    names = [name for name in run.names if name in table.names]
    if not names:
        known = f"it has {', '.join(table.names)}; the run predicts {', '.join(run.names)}"
        raise WrongTable(f"{table.source}: none of its columns is a class of the run: {known}. Call them so")
    return names


def match_labels(run: LabelSet, table: LabelTable, slices: pd.DataFrame, identifiers: pd.DataFrame) -> Labelled:
    """The labels of the slices, series or studies. slices: VALIDATION_COLUMNS; identifiers: of the files, by path.

    Rows that fit nothing, and what has no row or no known label, are counted in the log. Raises WrongTable where
    nothing fits.
    """
    names = classes_of(run, table)
    unit = UNITS.get(table.key, run.row)
    values = table.values.set_axis(table.keys, axis=0)[names]
    place = _places(table, slices, identifiers)
    placed = place >= 0
    labels = np.full((len(slices), len(names)), np.nan)
    labels[placed] = values.to_numpy()[place[placed]]
    first = np.arange(len(slices))
    if table.key in UNITS:
        _, first, labels = labels_by_unit(slices[unit].to_numpy(), labels)
    known, what, count = ~np.isnan(labels).all(axis=1), COUNTED[unit], len(first)
    unmatched = len(values) - len(np.unique(place[placed]))
    if unmatched or not known.all():
        logger.warning("%s: rows that fit nothing here: %d; without a label, and not scored: %d of %d %s",
                       table.source, unmatched, count - known.sum(), count, what)  # fmt: skip
    if not placed.any():
        fitting = [
            key for key, column in OF_HEADERS.items() if (_by_header(table, slices, identifiers, column) >= 0).any()
        ]
        raise WrongTable(f"{table.source}: {nothing_fits(table.key, len(values), f'{count} {what}', fitting)}")
    if not known.any():
        raise WrongTable(f"{table.source}: none of the {count} {what} has a known label in it; fill in some")
    rows = first[known]
    columns = np.array([run.names.index(name) for name in names])
    own = weighted_labels(tuple(names), unit, tuple(np.array(run.weights)[columns].tolist()), PROBABILITY_CLIP)
    return Labelled(own, columns, rows, labels[known], slices["patient_id"].to_numpy()[rows])


def training_units(labelled: Labelled, training: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The labels of the training set as this one's are given: a row per slice, series or study.

    training: split, the labels `names`, series_uid and study_uid of its slices.
    """
    if labelled.unit not in UNITS.values():
        return training
    slices = training[training["split"] == "train"]
    labels = slices[list(names)].to_numpy(np.float64, na_value=np.nan)
    known = labels_by_unit(slices[labelled.unit].to_numpy(), labels)[2]
    return pd.DataFrame(known, columns=list(names)).assign(split="train")


def rates_at_thresholds(labelled: Labelled, answers: np.ndarray, rule: StudyRule) -> dict[str, float]:
    """Sensitivity and specificity of the yes and no in studies.csv, by column of the validation; NaN without a case.

    answers: (M, C). Of labelled slices there are none: the thresholds are those of studies.
    """
    found: dict[str, float] = {}
    for c, name in enumerate(labelled.label_set.names if labelled.unit in UNITS.values() else ()):
        yes = answers[:, c] >= rule.answers[name].threshold
        positive = labelled.labels[:, c] >= 0.5
        negative = labelled.labels[:, c] < 0.5
        found[f"sensitivity_{name}"] = yes[positive].mean() if positive.any() else np.nan
        found[f"specificity_{name}"] = 1 - yes[negative].mean() if negative.any() else np.nan
    return found


def _places(table: LabelTable, slices: pd.DataFrame, identifiers: pd.DataFrame) -> np.ndarray:
    """The row of the table for each slice, -1 for none. A name that several slices have fits none.

    Where names of files fit nothing, they may be SOPInstanceUIDs.
    """
    if table.key != "file":
        return _by_header(table, slices, identifiers, OF_HEADERS[table.key])
    files, _ = by_name(table.keys, slices["path"])
    found = np.full(len(slices), -1, np.int64)
    for row, file in reversed(list(enumerate(files))):
        if file >= 0:
            found[file] = row
    return found if (found >= 0).any() else _by_header(table, slices, identifiers, OF_HEADERS["instance"])


def _by_header(table: LabelTable, slices: pd.DataFrame, identifiers: pd.DataFrame, column: str) -> np.ndarray:
    rows = pd.Series(np.arange(len(table.keys)), table.keys)
    return rows.reindex(identifiers[column].reindex(slices["path"])).fillna(-1).to_numpy(np.int64)


def validation_table(
    labelled: Labelled,
    systems: Sequence[System],
    data_set: str,
    trained_on: str,
    run_scores: pd.DataFrame | None,
    rates: Mapping[str, float] = {},
) -> pd.DataFrame:
    """The run's out-of-fold scores, where they are at hand and of the same kind of row, and below them those here.

    systems: predictions of the M labelled rows, (M, C) each. rates: more of the last system, by column.
    """
    external = external_scores(labelled.label_set, systems, labelled.labels, labelled.patients, data_set)
    external.insert(0, "where", external["folds"])
    for name, rate in rates.items():
        external.loc[external.index[-1], name] = rate
    if run_scores is None or COUNTED[labelled.unit] not in run_scores:
        return external
    wanted = run_scores[run_scores["system"].isin(external["system"])].assign(where=f"out of fold: {trained_on}")
    if _names(run_scores) != _names(external):
        wanted = wanted.assign(**dict.fromkeys((METRIC, "low", "high"), np.nan))  # of more names: not comparable
    return pd.concat([wanted, external], ignore_index=True).reindex(columns=external.columns)


def _names(table: pd.DataFrame) -> list[str]:
    """The names that a table of scores has columns of."""
    return [column.removeprefix("auc_") for column in table.columns if column.startswith("auc_")]


def printed_validation(table: pd.DataFrame) -> str:
    """The table for a terminal."""
    names = _names(table)
    rows = [["where", "system", "log loss", "95 % interval", "patients", *(f"AUC {name}" for name in names)]]
    for row in table.to_dict("records"):
        areas = ("none" if np.isnan(row[f"auc_{name}"]) else f"{row[f'auc_{name}']:.3f}" for name in names)
        loss, interval = f"{row[METRIC]:.4f}", f"{row['low']:.4f} to {row['high']:.4f}"
        if np.isnan(row["low"]):
            interval = "none"
        if np.isnan(row[METRIC]):
            loss, interval = "", "of other classes"
        rows.append([row["where"], row["system"], loss, interval, str(row["patients"]), *areas])
    lines, last = aligned(rows), table.iloc[-1]
    rates = [name for name in names if f"sensitivity_{name}" in table]
    if rates:
        found = rates_in_words(last, rates)
        lines += ["", f"{last['system']}, sensitivity / specificity at the thresholds of studies.csv: {found}"]
    return "\n".join(lines)
