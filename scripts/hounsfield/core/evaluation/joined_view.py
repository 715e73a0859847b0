"""Several runs' answers for the same studies side by side, and the mean of their probabilities: the blend.

N slices of a series, C names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.blending import blended
from hounsfield.core.evaluation.study_findings import ModelValues, SeriesFindings, StudyAnswer, StudyFindings
from hounsfield.core.evaluation.study_view import StudyView
from hounsfield.core.imaging.series_view import Overlay, SeriesPixels
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
        """The studies that every run answers."""
        others = [set(view.studies) for view in self._views[1:]]
        return [study for study in self._views[0].studies if all(study in other for other in others)]

    def findings(self, study: str) -> StudyFindings:
        """Every run's answers and slices, then the blend's."""
        found = [view.findings(study) for view in self._views]
        first = found[0]
        self._check_alike(found)
        return StudyFindings(
            system=first.system,
            study=study,
            names=first.names,
            runs=[run for one in found for run in one.runs],
            answers=[answer for one in found for answer in one.answers] + _blended_answers(found),
            series=[_joined([one.series[place] for one in found]) for place in range(len(first.series))],
            truth=first.truth,
            warnings=list(dict.fromkeys(warning for one in found for warning in one.warnings)),
            refused=first.refused,
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
                again = " && ".join(f"{view.answers.remedy} --force" for view in self._views)
                raise BadInput(f"{named} see different slices of {first.study}; make both anew: {again}")


def _images(found: StudyFindings) -> list[list[str]]:
    return [one.slices["image_id"].tolist() for one in found.series]


def _joined(series: Sequence[SeriesFindings]) -> SeriesFindings:
    """Every model's values; then, where each run has values for slices, the mean of what each run answers with."""
    first, models = series[0], [model for one in series for model in one.models]
    if all(one.models for one in series):
        models.append(ModelValues(BLEND, "mean", _mean([one.models[-1].raw for one in series]), None))
    return SeriesFindings(first.series, _flags_joined(series), models, first.truth)


def _flags_joined(series: Sequence[SeriesFindings]) -> pd.DataFrame:
    flags = zip(*(one.slices["flags"] for one in series), strict=True)
    return series[0].slices.assign(flags=[" ".join(dict.fromkeys(filter(None, some))) for some in flags])


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    return blended(values, np.full(len(values), 1 / len(values)))


def _blended_answers(found: Sequence[StudyFindings]) -> list[StudyAnswer]:
    """The mean of the runs' answers for each name. No thresholds: what they would be worth was never scored."""
    names, how = found[0].names, "mean of the runs' answers for the study, with equal weights; not scored"
    by_run = [{answer.label: answer.raw for answer in one.answers} for one in found]
    means = {name: _mean([np.array([one[name]]) for one in by_run]) for name in names if all(name in o for o in by_run)}
    return [StudyAnswer(BLEND, name, float(mean[0]), None, how) for name, mean in means.items()]
