"""Several runs' answers for the same studies side by side, and the mean of their probabilities: the blend.

Where the same blend was scored on the runs' own data set, it answers with that one's weights, rule and calibration.
K runs, N slices of a series, C names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.evaluation.blending import blended
from hounsfield.core.evaluation.rule_answers import rule_answers
from hounsfield.core.evaluation.scored_blend import ScoredBlend, find_scored_blend
from hounsfield.core.evaluation.study_findings import ModelValues, SeriesFindings, StudyAnswer, StudyFindings
from hounsfield.core.evaluation.study_rule import Studies
from hounsfield.core.evaluation.study_view import StudyView
from hounsfield.core.imaging.series_view import Overlay, SeriesPixels
from hounsfield.core.stages.outputs import differences
from hounsfield.core.stages.upstream import Upstream

BLEND = "blend"  # stands for the run


class JoinedView:
    """Several runs as one (a StudyView)."""

    def __init__(self, views: Sequence[StudyView]) -> None:
        """views: of runs that tell the same names of the same data set, or BadInput is raised with a study."""
        self._views = views

    @property
    def answers(self) -> Upstream:
        """Those of the first run."""
        return self._views[0].answers

    @cached_property
    def studies(self) -> Sequence[str]:
        """The studies that every run answers. Raises BadInput where there is none."""
        others = [set(view.studies) for view in self._views[1:]]
        found = [study for study in self._views[0].studies if all(study in other for other in others)]
        if not found:
            folders = " and ".join(str(view.answers.folder) for view in self._views)
            self._refuse_prepared_otherwise(folders)
            raise BadInput(f"{folders} have no study in common; predict the same files with each run")
        return found

    def findings(self, study: str) -> StudyFindings:
        """Every run's answers and slices, then the blend's."""
        found = [view.findings(study) for view in self._views]
        first = found[0]
        self._check_alike(found)
        series = [self._joined([one.series[place] for one in found]) for place in range(len(first.series))]
        return StudyFindings(
            system=first.system,
            study=study,
            names=first.names,
            runs=[run for one in found for run in one.runs],
            answers=[answer for one in found for answer in one.answers] + self._blended_answers(found, series),
            series=series,
            truth=first.truth,
            warnings=list(dict.fromkeys(warning for one in found for warning in one.warnings)),
            refused=first.refused,
            picture=first.picture,
        )

    def pixels(self, study: str, series: str) -> SeriesPixels:
        """As the first run sees them."""
        return self._views[0].pixels(study, series)

    def overlays(self, study: str, series: str) -> Sequence[Overlay]:
        """Those of every run, each under the run's name."""
        return [
            replace(overlay, name=f"{view.findings(study).runs[0].name} {overlay.name}")
            for view in self._views
            for overlay in view.overlays(study, series)
        ]

    def _check_alike(self, found: Sequence[StudyFindings]) -> None:
        first, *others = found
        for other in others:
            named = f"{first.runs[0].name} and {other.runs[0].name}"
            if other.names != first.names:
                told = f"{' '.join(first.names)}; {' '.join(other.names)}"
                raise BadInput(f"{named} tell different names ({told}); name runs of one kind")
            if _images(other) != _images(first):
                self._refuse_prepared_otherwise(named)
                again = " && ".join(f"{view.answers.remedy} --force" for view in self._views)
                raise BadInput(f"{named} see different slices of {first.study}; make both anew: {again}")

    def _refuse_prepared_otherwise(self, named: str) -> None:
        """Raise WrongUse where each run has prepared the files in its own way: made anew, they would differ again."""
        made_from = [view.answers.record["inputs"].get("data set") for view in self._views]
        first, *others = [{"settings": (one or {}).get("settings", {}), "inputs": {}} for one in made_from]
        changes = [change for other in others for change in differences(first, other)]
        if changes:
            raise WrongUse(f"{named} prepare files otherwise ({'; '.join(changes)}); predict with each alone")

    def _joined(self, series: Sequence[SeriesFindings]) -> SeriesFindings:
        """Every model's values; then, where each run has values for slices, the mean of what each run answers with."""
        first, models = series[0], [model for one in series for model in one.models]
        if all(one.models for one in series):
            mean = blended([one.models[-1].raw for one in series], self._weights)
            calibrated = None if self.scored is None else self.scored.calibration.apply("slice", mean)
            if calibrated is not None and np.isnan(calibrated).all():
                calibrated = None
            models.append(ModelValues(BLEND, "mean", mean, calibrated))
        return SeriesFindings(first.series, _flags_joined(series), models, first.truth)

    def _blended_answers(self, found: Sequence[StudyFindings], series: Sequence[SeriesFindings]) -> list[StudyAnswer]:
        """By the rule of the blend, where it was scored; else the mean of the runs' answers, without thresholds."""
        if self.scored is not None and all(one.models for one in series):
            counts = [len(one.slices) for one in series]
            studies = Studies(
                np.repeat(found[0].study, sum(counts)),
                np.repeat([one.series for one in series], counts),
                np.concatenate([one.slices["order"].to_numpy() for one in series]),
            )
            values = np.concatenate([one.models[-1].raw for one in series])
            known = ~np.isnan(values).any(axis=1)
            of_known = Studies(*(column[known] for column in studies))
            answers = rule_answers(BLEND, values[known], of_known, self.scored.rule, self.scored.calibration)
            return [replace(one, how=f"{self.scored.words}; {one.how}") for one in answers]
        how = "mean of the runs' answers for the study, with equal weights; not scored"
        by_run = [{answer.label: answer.raw for answer in one.answers} for one in found]
        told = [name for name in found[0].names if all(name in one for one in by_run)]
        values = blended([np.array([one[name] for name in told]) for one in by_run], self._weights)
        return [StudyAnswer(BLEND, name, value, None, how) for name, value in zip(told, values.tolist(), strict=True)]

    @cached_property
    def scored(self) -> ScoredBlend | None:
        """The blend of these runs, where it was scored on their own data set."""
        runs = [view.findings(self.studies[0]).runs[0].name for view in self._views]
        return find_scored_blend(self.answers.work, runs)

    @property
    def _weights(self) -> np.ndarray:
        """(K,): those of the scored blend, else equal ones."""
        count = len(self._views)
        return np.full(count, 1 / count) if self.scored is None else self.scored.weights


def _images(found: StudyFindings) -> list[list[str]]:
    return [one.slices["image_id"].tolist() for one in found.series]


def _flags_joined(series: Sequence[SeriesFindings]) -> pd.DataFrame:
    flags = zip(*(one.slices["flags"] for one in series), strict=True)
    return series[0].slices.assign(flags=[" ".join(dict.fromkeys(filter(None, some))) for some in flags])
