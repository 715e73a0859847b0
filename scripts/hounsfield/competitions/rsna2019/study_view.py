"""The answers of a system of this competition's kind, a study at a time: for given studies, and its own data set.

N slices of the data set, n of one study; C names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.answers import (
    ANSWER_COLUMNS,
    OUT_OF_FOLD,
    STUDIES_OUT_OF_FOLD,
    answer_slices,
    rule_of_run,
)
from hounsfield.competitions.rsna2019.domain import DOMAIN_COLUMNS, outside
from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.competitions.rsna2019.prepared_files import find_files, prepared_source
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.dicom.reason_codes import FLAGS
from hounsfield.core.evaluation.calibration import SUFFIX, Calibration, calibration_of_run
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.evaluation.findings import refused_of_studies
from hounsfield.core.evaluation.rule_answers import rule_answers
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.evaluation.study_findings import (
    SLICE_COLUMNS,
    ModelValues,
    RunFacts,
    SeriesFindings,
    StudyAnswer,
    StudyFindings,
)
from hounsfield.core.evaluation.study_rule import Studies, StudyRule
from hounsfield.core.imaging.heat import activation_heats
from hounsfield.core.imaging.series_view import Overlay, SeriesPixels
from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.prepared_slices import SERIES_COLUMNS, series_pixels
from hounsfield.core.intake.sources import list_sources
from hounsfield.core.stages.outputs import record_digest
from hounsfield.core.stages.upstream import Upstream

VIEW_COLUMNS = tuple(dict.fromkeys((*ANSWER_COLUMNS, *DOMAIN_COLUMNS, *SERIES_COLUMNS, "split", "fold")))  # and labels


@dataclass(frozen=True)
class SliceAnswers:
    """What a run says of the slices of a data set (a StudyView)."""

    answers: Upstream  # the finished folder
    data: Upstream
    names: tuple[str, ...]  # of the C columns
    slices: pd.DataFrame  # N rows of VIEW_COLUMNS and of the labels, where the data set has these names
    run: RunFacts
    models: Mapping[str, np.ndarray]  # (N, C) by name, NaN where a slice is not predicted; the last one is answered
    rule: StudyRule
    calibration: Calibration
    calibrated: np.ndarray  # (N, C) of the last model; NaN where nothing is calibrated
    calibrated_studies: pd.DataFrame  # C columns, by study: those that the calibration has learnt from
    trained_on: Mapping[str, object] | None  # the facts that the training has noted
    # of the slices of a series, (n,) image_id, where the classifiers look: (n, C, G, G); None where nobody can say
    activation: Callable[[pd.Series], np.ndarray] | None = None

    @cached_property
    def studies(self) -> Sequence[str]:
        """The studies of which a slice is answered."""
        answered = ~np.isnan(self._answered).any(axis=1)
        return list(dict.fromkeys(self.slices["study_uid"][answered]))

    def findings(self, study: str) -> StudyFindings:
        """All numbers and words of one study."""
        rows = np.flatnonzero(self.slices["study_uid"] == study)
        slices = self._named.iloc[rows]
        refused = self._refused[self._refused["study"] == study]
        labels = self._labels[rows]
        return StudyFindings(
            system=self.run.name.partition("/")[0],
            study=study,
            names=self.names,
            runs=[self.run],
            answers=self._study_answers(rows, slices),
            series=[self._series(name, rows[slices["series"] == name]) for name in slices["series"].unique()],
            truth={name: float(known.max()) for name, known in zip(self.names, labels.T, strict=True)
                   if not np.isnan(known).any()},
            warnings=outside(self.slices.iloc[rows], self.trained_on).get(study, []),
            refused=refused.drop(columns="study").reset_index(drop=True),
        )  # fmt: skip

    def pixels(self, study: str, series: str) -> SeriesPixels:
        """Hounsfield units of one series, read again from its files."""
        slices = self.slices[self._of_series(study, series)]
        files = find_files(pd.Index(slices["path"]), self._files, self.data.folder / SLICES)
        return series_pixels(files, slices, remedy=f"{self.data.remedy} --force")

    def overlays(self, study: str, series: str) -> Sequence[Overlay]:
        """Where the classifiers look for each class; nothing where they are not at hand."""
        if self.activation is None:
            return []
        maps = self.activation(self.slices["image_id"][self._of_series(study, series)])
        return activation_heats(f"classifiers of {self.run.name}", maps, self.names)

    def _of_series(self, study: str, series: str) -> np.ndarray:
        return ((self._named["study"] == study) & (self._named["series"] == series)).to_numpy()

    @cached_property
    def _named(self) -> pd.DataFrame:
        """The slices under the names of the tables of answers."""
        return answer_slices(self.slices)

    @cached_property
    def _files(self) -> FileList:
        return list_sources(prepared_source(self.data.work, self.data))

    @cached_property
    def _refused(self) -> pd.DataFrame:
        return refused_of_studies(self.data, self._named)

    @property
    def _answered(self) -> np.ndarray:
        return list(self.models.values())[-1]

    @cached_property
    def _labels(self) -> np.ndarray:
        """(N, C), NaN where unknown."""
        return self.slices.reindex(columns=list(self.names)).to_numpy(np.float64, na_value=np.nan)

    def _series(self, name: str, rows: np.ndarray) -> SeriesFindings:
        slices = self._named.iloc[rows].reset_index(drop=True)
        words = slices["flags"].map(lambda codes: " ".join(FLAGS.get(code, code) for code in codes.split()))
        labels = self._labels[rows]
        values = [
            ModelValues(self.run.name, model, probabilities[rows], self._calibrated(model, rows))
            for model, probabilities in self.models.items()
        ]
        truth = None if np.isnan(labels).all() else labels
        return SeriesFindings(name, slices.assign(flags=words)[list(SLICE_COLUMNS)], values, truth)

    def _calibrated(self, model: str, rows: np.ndarray) -> np.ndarray | None:
        """Of the model that is answered; None of others, and where nothing is calibrated."""
        found = self.calibrated[rows]
        return None if model != list(self.models)[-1] or np.isnan(found).all() else found

    def _study_answers(self, rows: np.ndarray, slices: pd.DataFrame) -> list[StudyAnswer]:
        """By the rule over those slices that are predicted."""
        rows, slices = (part[~np.isnan(self._answered[rows]).any(axis=1)] for part in (rows, slices))
        studies = Studies(*(slices[name].to_numpy() for name in ("study", "series", "order")))
        answers = rule_answers(self.run.name, self._answered[rows], studies, self.rule, self.calibration)
        if (study := slices["study"].iloc[0]) not in self.calibrated_studies.index:
            return answers
        own = zip(answers, self.calibrated_studies.loc[study].tolist(), strict=True)
        return [replace(one, calibrated=None if np.isnan(value) else value) for one, value in own]


def open_slice_answers(
    name: str,
    answers: Upstream,
    scored: Upstream | None,
    data: Upstream,
    slices: pd.DataFrame,
    values: Mapping[str, np.ndarray],
    models: Iterable[Mapping[str, Any]],
    trained_on: tuple[str, Mapping[str, Any] | None],
    activation: Callable[[pd.Series], np.ndarray] | None = None,
) -> SliceAnswers:
    """What a finished run says of a data set.

    name: of the run. answers: its finished folder for the data set. scored: that for its own data set, where it is
    there. slices: as `read_view_slices` gives them. values: (N, C) by model, the last one answered. models: those that
    have answered, as records name their inputs. trained_on: data set and facts. activation: as SliceAnswers has it.
    """
    label_set, facts = label_set_of(answers), trained_on[1]
    rule = rule_of_run(label_set, answers, "no study is answered")
    scores = pd.DataFrame() if scored is None else read_scores(scored.file("scores.csv"))
    run = RunFacts(
        name=name,
        digest=record_digest(answers.record),
        models={str(PurePosixPath(one["record"]).parent): one["sha256"] for one in models},
        trained_on=in_words(facts, trained_on[0]),
        scored_on=rule.scored_on,
        scores=scores.to_dict("records"),
    )
    calibration = calibration_of_run(answers, "no study is answered")
    calibrated, by_study = _calibrated(calibration, answers, slices, list(values.values())[-1], label_set.names)
    return SliceAnswers(
        answers, data, label_set.names, slices, run, values, rule, calibration, calibrated, by_study, facts, activation
    )


def _calibrated(
    calibration: Calibration, answers: Upstream, slices: pd.DataFrame, probabilities: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, pd.DataFrame]:
    """Calibrated probabilities, (N, C), and those of the studies that the calibration has learnt from.

    These, and their slices, have theirs by calibrators of other patients, as the tables of out-of-fold answers hold
    them. probabilities: (N, C).
    """
    found = calibration.apply("slice", probabilities)
    images = _out_of_fold(answers, OUT_OF_FOLD, "image_id", names)
    own = slices["image_id"].isin(images.index).to_numpy()
    found[own] = images.loc[slices["image_id"][own]].to_numpy(np.float64)
    return found, _out_of_fold(answers, STUDIES_OUT_OF_FOLD, "study", names)


def _out_of_fold(answers: Upstream, table: str, row: str, names: Sequence[str]) -> pd.DataFrame:
    """The calibrated probabilities of a table of out-of-fold answers, by its rows; NaN where it has none."""
    columns = [f"{name}{SUFFIX}" for name in names]
    if table not in answers.record["files"]:
        return pd.DataFrame(columns=columns)
    return pd.read_csv(answers.file(table), dtype={row: str}).set_index(row).reindex(columns=columns)


def read_view_slices(data: Upstream, names: Sequence[str]) -> pd.DataFrame:
    """The slices of a data set as `SliceAnswers` wants them. names: of the labels, where the data set has them."""
    known = set(label_set_of(data).names)
    return read_slices(data, (*VIEW_COLUMNS, *(name for name in names if name in known)))


def aligned_predictions(slices: pd.DataFrame, table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """A table of predictions in the order of `slices`: (N, C), NaN where it does not hold a slice."""
    found: np.ndarray = table.set_index("image_id")[list(names)].reindex(slices["image_id"]).to_numpy(np.float64)
    return found
