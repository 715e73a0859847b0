"""The tables below the slices: what the study is answered with, by what, and what could not be used.

A table has a caption, columns with their one-line explanations, and rows of text, as `pieces.html` draws it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hounsfield.core.evaluation.study_findings import (
    PointMet,
    RunFacts,
    SeriesFindings,
    StudyAnswer,
    StudyFindings,
)

NOTHING = "–"
SHORT = 12  # digits of a digest that are shown
POINTS = {
    "rule": ("rule", "The rule that answers for the run, as it was scored out of fold"),
    "sensitivity_95": ("sensitivity 95 %", "The threshold that found 95 % of the positive out-of-fold studies"),
    "specificity_95": ("specificity 95 %", "The threshold that passed 95 % of the negative out-of-fold studies"),
    "youden": ("best Youden index", "The threshold with the largest sum of sensitivity and specificity out of fold"),
}
# What the columns of a score table mean, the first pattern that fits; {} stands for what the pattern caught.
SCORES = (
    (r"experiment", "The experiment of that system"),
    (r"low|high", "Bound of the 95 % interval of the loss above, over patients"),
    (r"gain_over", "The system that this one is compared with, on the same patients"),
    (r"gain", "How much lower the loss is than that system's"),
    (r"gain_(low|high)", "Bound of the gain's 95 % interval"),
    (r"log_loss_(.+)", "Log loss of {}; lower is better"),
    (r"auc(?:_(?!low|high)(.+))?", "Area under the ROC curve {}; 0.5 is chance, 1 perfect"),
    (r"(.+)_(?:low|high)", "Bound of the 95 % interval of {}"),
    (r"patients|slices|films|series|studies|rows", "How many the scores rest on"),
    (r"folds", "Folds that were scored"),
    (r"models", "Which models made the probabilities"),
    (r"ledger", "Whether any model had seen the scored patients"),
    (r"dice.*", "Overlap of predicted and true masks; higher is better"),
    (r"sensitivity", "Share of the positives that are found"),
    (r"specificity", "Share of the negatives that are passed"),
    (r".*(loss|one_minus_dice|mean_over_rows)", "What the competition scores; lower is better"),
)


@dataclass(frozen=True)
class Table:
    """What the macro of the same name draws."""

    caption: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]


def probability(value: float | None) -> str:
    """Three digits after the point, a dash where there is none."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.3f}"


def answers_table(findings: StudyFindings) -> Table:
    """Every answer for the whole study."""
    points = [name for name in POINTS if any(point.name == name for one in findings.answers for point in one.points)]
    columns = [
        ("class", "What is asked of the study"),
        ("run", "Whose models answer"),
        ("probability", "As the run gives it"),
        ("calibrated", "The same, so that of studies with this value the share that it says was positive out of fold"),
        *((POINTS[name][0], f"{POINTS[name][1]}: whether this study reaches it, and where it lies") for name in points),
    ]
    answers = sorted(findings.answers, key=lambda one: findings.names.index(one.label))  # runs stand side by side
    rows = [_answer_row(one, points) for one in answers]
    if findings.truth:
        columns.insert(1, ("truth", "What the labels of the study say"))
        for row, one in zip(rows, answers, strict=True):
            row.insert(1, truth_words(findings.truth.get(one.label)))
    return Table("Answers for the study", columns, rows)


def how_answered(answers: Sequence[StudyAnswer]) -> list[str]:
    """From what each answer is made, a line for all that are made alike."""
    alike: dict[tuple[str, str], list[str]] = {}
    for one in answers:
        alike.setdefault((one.run, one.how), []).append(one.label)
    every = {run: [one.label for one in answers if one.run == run] for run, _ in alike}
    return [
        f"{run}, {'every class' if labels == every[run] else ', '.join(labels)}: {how}"
        for (run, how), labels in alike.items()
    ]


def truth_words(value: float | None) -> str:
    """A label in words; a soft label as a number."""
    if value is None or math.isnan(value):
        return "unknown"
    return {0.0: "absent", 1.0: "present"}.get(value, probability(value))


def _answer_row(one: StudyAnswer, points: Sequence[str]) -> list[str]:
    by_name = {point.name: point for point in one.points}
    met = [_point_words(by_name.get(name)) for name in points]
    return [one.label, one.run, probability(one.raw), probability(one.calibrated), *met]


def _point_words(point: PointMet | None) -> str:
    if point is None:
        return "not known"
    return f"{'reached' if point.met else 'not reached'} ({_threshold(point)})"


def _threshold(point: PointMet) -> str:
    return f"{point.threshold:.3f}" if point.threshold <= 1 else "none"  # above 1 no study could reach it


def points_table(answers: Sequence[StudyAnswer]) -> Table:
    """What each operating point is worth."""
    columns = [
        ("class", "What is asked of the study"),
        ("run", "Whose models answer"),
        ("operating point", "How the threshold was chosen, on out-of-fold studies"),
        ("threshold", "Of the probability that is not calibrated; a study reaches it from there on"),
        ("sensitivity", "Share of the positive out-of-fold studies that reach it, with its 95 % interval"),
        ("specificity", "Share of the negative out-of-fold studies that do not, with its 95 % interval"),
    ]
    rows = [
        [
            *(one.label, one.run, POINTS[point.name][0], _threshold(point)),
            _worth(point.sensitivity, point.sensitivity_interval),
            _worth(point.specificity, point.specificity_interval),
        ]
        for one in answers
        for point in one.points
    ]
    return Table("Operating points", columns, rows)


def _worth(share: float | None, interval: tuple[float, float] | None) -> str:
    """A share with its 95 % interval, in percent."""
    if share is None:
        return "not scored"
    bounds = f" ({interval[0]:.0%} to {interval[1]:.0%})" if interval else ""
    return f"{share:.0%}{bounds}".replace("%", " %")


def runs_table(runs: Sequence[RunFacts]) -> Table:
    """What the answers come from."""
    columns = [
        ("run", "System and experiment"),
        ("trained on", "What its models have learnt from"),
        ("scored on", "On what its answers and thresholds were scored"),
        ("models", "How many have answered"),
        ("digest", f"First {SHORT} digits of the digest of the run's finished predictions"),
    ]
    rows = [[run.name, run.trained_on, run.scored_on, str(len(run.models)), run.digest[:SHORT]] for run in runs]
    return Table("Runs", columns, rows)


def models_table(runs: Sequence[RunFacts]) -> Table:
    """Every model that has answered."""
    columns = [
        ("model", "Its folder below the work folder"),
        ("digest", f"First {SHORT} digits of its record's digest"),
    ]
    models = {folder: digest for run in runs for folder, digest in run.models.items()}
    return Table("Models", columns, [[folder, digest[:SHORT]] for folder, digest in models.items()])


def scores_table(run: RunFacts) -> Table:
    """A run's own scores: a measure per row, a system per column."""
    systems = [str(row.get("system", "")) for row in run.scores]
    measures = list(dict.fromkeys(str(name) for row in run.scores for name in row if name != "system"))
    columns = [
        ("measure", "A column of the run's scores.csv"),
        ("meaning", "What the measure says"),
        *((name, "A system of the run, or what it is compared with") for name in systems),
    ]
    rows = [[name, _meaning(name), *(_score(row.get(name)) for row in run.scores)] for name in measures]
    return Table(f"Scores of {run.name}", columns, rows)


def _meaning(measure: str) -> str:
    for pattern, words in SCORES:
        if found := re.fullmatch(pattern, measure):
            caught = next((group for group in found.groups() if group), "")
            return words.replace("{}", f"of {caught}" if measure.startswith("auc_") else caught).replace(" ;", ";")
    return "A measure of the system"


def _score(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def slices_table(series: SeriesFindings, titles: Sequence[str], names: Sequence[str], picture: str) -> Table:
    """Every slice with its values. titles: of the series' models. picture: what a slice is called."""
    columns = [
        (picture, "Its number in the series"),
        ("file", "Where it was read from"),
        ("position", "Along the normal of the series, in mm"),
        ("flags", "What was odd about the file, and used all the same"),
    ]
    for title in titles:
        columns += [(f"{title}: {name}", f"Probability of {name} by this model, not calibrated") for name in names]
    rows = []
    for number, (file, position, flags) in enumerate(_places(series), 1):
        values = [probability(float(value)) for model in series.models for value in model.raw[number - 1]]
        rows.append([str(number), file, millimetres(position), flags or "none", *values])
    return Table(f"All {picture}s", columns, rows)


def _places(series: SeriesFindings) -> list[tuple[str, float, str]]:
    columns = (series.slices[name].tolist() for name in ("file", "position_mm", "flags"))
    return [(str(file), float(place), str(flags)) for file, place, flags in zip(*columns, strict=True)]


def millimetres(value: float) -> str:
    """A position with one digit after the point, a dash where it is not known."""
    return NOTHING if math.isnan(value) else f"{value:.1f} mm"


def refused_table(findings: StudyFindings) -> Table | None:
    """Files that could not be used; None where there is none."""
    if findings.refused is None or findings.refused.empty:
        return None
    columns = [
        ("file", "As it was given"),
        ("reason", "The reason's code"),
        ("what it means", "Why the file is not used"),
    ]
    refused = findings.refused[["path", "reason", "message"]].astype(str)
    return Table("Files that could not be used", columns, refused.to_numpy().tolist())
