"""What a rule over slices answers for one study, with what it was worth.

n slices of the study, C names.
"""

from __future__ import annotations

import numpy as np

from hounsfield.core.evaluation.calibration import Calibration
from hounsfield.core.evaluation.study_findings import PointMet, StudyAnswer
from hounsfield.core.evaluation.study_rule import Studies, StudyRule, study_values


def rule_answers(
    run: str, probabilities: np.ndarray, studies: Studies, rule: StudyRule, calibration: Calibration
) -> list[StudyAnswer]:
    """An answer for each name of the rule.

    probabilities: (n, C) of one study. calibration: of studies by this rule; where it has no operating points, the
    rule's own threshold is one.
    """
    values = study_values(probabilities, studies, rule.neighbours).to_numpy()  # (1, C)
    calibrated = calibration.apply("study", values)[0]
    points, known = calibration.points("study"), calibration.levels.get("study", {})
    found = []
    for name, value, sure in zip(rule.answers, values[0].tolist(), calibrated.tolist(), strict=True):
        met = [PointMet.of(point, value) for point in points.get(name, ())] or [_by_rule(rule, name, value)]
        how = f"rule over slices: {rule.name}; {rule.scored_on}"
        how += f"; calibration: {known[name].words}" if name in known else ""
        found.append(StudyAnswer(run, name, value, None if np.isnan(sure) else sure, how, met))
    return found


def _by_rule(rule: StudyRule, name: str, value: float) -> PointMet:
    one = rule.answers[name]
    return PointMet("youden", one.threshold, value >= one.threshold, one.sensitivity, one.specificity)
