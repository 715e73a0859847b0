"""The answers of a system of this competition's kind, a study at a time: for given studies, and its own data set.

N slices of the data set, n of one study; C names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.answers import ANSWER_COLUMNS, answer_slices
from hounsfield.competitions.rsna2019.domain import DOMAIN_COLUMNS, outside
from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.competitions.rsna2019.prepared_files import find_files, prepared_source
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.dicom.refusals import FLAGS
from hounsfield.core.evaluation.findings import read_refused, refused_by_study
from hounsfield.core.evaluation.study_findings import (
    SLICE_COLUMNS,
    ModelValues,
    PointMet,
    RunFacts,
    SeriesFindings,
    StudyAnswer,
    StudyFindings,
)
from hounsfield.core.evaluation.study_rule import Studies, StudyRule, study_values
from hounsfield.core.imaging.series_view import Overlay, SeriesPixels
from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.prepared_slices import SERIES_COLUMNS, series_pixels
from hounsfield.core.intake.sources import list_sources
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
    trained_on: Mapping[str, object] | None  # the facts that the training has noted

    @cached_property
    def studies(self) -> Sequence[str]:
        """The studies of which a slice is answered."""
        answered = ~np.isnan(self._answered).any(axis=1)
        return list(dict.fromkeys(self.slices["study_uid"][answered]))

    def findings(self, study: str) -> StudyFindings:
        """All numbers and words of one study."""
        rows = np.flatnonzero(self.slices["study_uid"] == study)
        slices = self._named.iloc[rows]
        refused = self._refused
        if len(self.studies) > 1:
            refused = refused[refused["study"] == study]
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
        chosen = (self._named["study"] == study) & (self._named["series"] == series)
        slices = self.slices[chosen.to_numpy()]
        files = find_files(pd.Index(slices["path"]), self._files, self.data.folder / SLICES)
        return series_pixels(files, slices, remedy=f"{self.data.remedy} --force")

    def overlays(self, study: str, series: str) -> Sequence[Overlay]:
        """Nothing: these systems see classes alone."""
        return []

    @cached_property
    def _named(self) -> pd.DataFrame:
        """The slices under the names of the tables of answers."""
        return answer_slices(self.slices)

    @cached_property
    def _files(self) -> FileList:
        return list_sources(prepared_source(self.data.work, self.data))

    @cached_property
    def _refused(self) -> pd.DataFrame:
        """The refused files of the data set, each with its study."""
        refused = read_refused(self.data)
        return refused.assign(study=refused_by_study(self._named, refused))

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
            ModelValues(self.run.name, model, probabilities[rows], None) for model, probabilities in self.models.items()
        ]
        truth = None if np.isnan(labels).all() else labels
        return SeriesFindings(name, slices.assign(flags=words)[list(SLICE_COLUMNS)], values, truth)

    def _study_answers(self, rows: np.ndarray, slices: pd.DataFrame) -> list[StudyAnswer]:
        """By the rule over those slices that are predicted."""
        known = ~np.isnan(self._answered[rows]).any(axis=1)
        studies = Studies(*(slices[name].to_numpy()[known] for name in ("study", "series", "order")))
        values = study_values(self._answered[rows[known]], studies, self.rule.neighbours).to_numpy()[0]
        how = f"rule over slices: {self.rule.name}; {self.rule.scored_on}"
        found = []
        for name, value in zip(self.names, values.tolist(), strict=True):
            one = self.rule.answers[name]
            point = PointMet("youden", one.threshold, value >= one.threshold, one.sensitivity, one.specificity)
            found.append(StudyAnswer(self.run.name, name, value, None, how, [point]))
        return found


def read_view_slices(data: Upstream, names: Sequence[str]) -> pd.DataFrame:
    """The slices of a data set as `SliceAnswers` wants them. names: of the labels, where the data set has them."""
    known = set(label_set_of(data).names)
    return read_slices(data, (*VIEW_COLUMNS, *(name for name in names if name in known)))


def aligned_predictions(slices: pd.DataFrame, table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """A table of predictions in the order of `slices`: (N, C), NaN where it does not hold a slice."""
    found: np.ndarray = table.set_index("image_id")[list(names)].reindex(slices["image_id"]).to_numpy(np.float64)
    return found
