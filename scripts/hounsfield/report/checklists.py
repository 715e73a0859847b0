"""The items of two reporting guidelines for models in imaging, with what the run itself can say to each.

Items are named in words of this project, by their numbers; an item without an answer is for a person to write.
Sources: CLAIM 2024 Update (Radiology: Artificial Intelligence 2024; 6: e240300), 44 items; TRIPOD+AI (BMJ 2024; 385:
e078378), 27 items with their parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Item(NamedTuple):
    """One item, and what answers it."""

    number: str
    words: str
    answer: str | None  # None: for a person to write


# number, what is to be said, the key of the answer ("" where the run cannot know it)
CLAIM = (
    ("1", "says that it is about artificial intelligence, and of which kind", "method"),
    ("2", "structured summary", ""),
    ("3", "background, intended use and clinical role", ""),
    ("4", "aims and hypotheses", ""),
    ("5", "prospective or retrospective", ""),
    ("6", "goal of the study", ""),
    ("7", "where the data are from", "data_set"),
    ("8", "who was eligible; what was left out, and why", "flow"),
    ("9", "preprocessing", "preparation"),
    ("10", "which parts of the data were selected", "selected"),
    ("11", "de-identification", "identifiers"),
    ("12", "missing data", "missing"),
    ("13", "how images were acquired", "acquisition"),
    ("14", "what counts as the truth", ""),
    ("15", "why that was chosen as the truth", ""),
    ("16", "who annotated, and with what training", ""),
    ("17", "how the test set was annotated", ""),
    ("18", "agreement between and within readers", ""),
    ("19", "how data were assigned to partitions", "partitions"),
    ("20", "at which level partitions are disjoint", "disjoint"),
    ("21", "intended size of the sample", ""),
    ("22", "the model: inputs, structure, outputs", "model"),
    ("23", "software and versions", "software"),
    ("24", "how parameters were initialised", "initialised"),
    ("25", "training: augmentation, hyperparameters, epochs", "training"),
    ("26", "how the final model was selected", "selection"),
    ("27", "how models were combined", "combined"),
    ("28", "measures of performance", "measures"),
    ("29", "measures of uncertainty", "uncertainty"),
    ("30", "robustness", ""),
    ("31", "explanations of single answers", ""),
    ("32", "evaluation on internal data", "internal"),
    ("33", "testing on external data", ""),
    ("34", "registration of the trial", ""),
    ("35", "how many were included and left out", "flow"),
    ("36", "demographic and clinical characteristics of each partition", ""),
    ("37", "performance on every partition, with uncertainty", "performance"),
    ("38", "diagnostic accuracy and its precision", "accuracy"),
    ("39", "analysis of failures", "failures"),
    ("40", "limitations", ""),
    ("41", "implications for practice", ""),
    ("42", "where the full protocol is", ""),
    ("43", "where software, models and data are", "digest"),
    ("44", "funding", ""),
)
TRIPOD_AI = (
    ("1", "title: a prediction model, its target population and outcome", ""),
    ("2", "abstract", ""),
    ("3a", "healthcare context", ""),
    ("3b", "target population, purpose and users", ""),
    ("3c", "known inequalities in health", ""),
    ("4", "objectives: development or evaluation", ""),
    ("5a", "sources of data", "data_set"),
    ("5b", "dates of the data", ""),
    ("6a", "setting, number and place of centres", ""),
    ("6b", "eligibility", "flow"),
    ("6c", "treatments", ""),
    ("7", "preparation of the data", "preparation"),
    ("8a", "outcome, and how and when it was determined", "outcome"),
    ("8b", "who assessed the outcome", ""),
    ("8c", "blinding of that assessment", ""),
    ("9a", "choice of predictors", "model"),
    ("9b", "definition and measurement of predictors", "acquisition"),
    ("9c", "who assessed predictors", ""),
    ("10", "how the size of the sample came about", ""),
    ("11", "missing data", "missing"),
    ("12a", "which data served for what", "partitions"),
    ("12b", "how predictors were handled", "preparation"),
    ("12c", "kind of model, steps of building it, internal validation", "internal"),
    ("12d", "differences between clusters", ""),
    ("12e", "measures and plots of performance", "measures"),
    ("12f", "recalibration", "calibration"),
    ("12g", "how predictions are calculated", "model"),
    ("13", "imbalance of classes", "imbalance"),
    ("14", "fairness", ""),
    ("15", "output of the model, thresholds", "thresholds"),
    ("16", "differences between data of training and of evaluation", "partitions"),
    ("17", "ethical approval", ""),
    ("18a", "funding", ""),
    ("18b", "conflicts of interest", ""),
    ("18c", "protocol", ""),
    ("18d", "registration", ""),
    ("18e", "sharing of data", ""),
    ("18f", "sharing of code", "digest"),
    ("19", "involvement of patients and the public", ""),
    ("20a", "flow of participants", "flow"),
    ("20b", "characteristics of participants", ""),
    ("20c", "comparison with the data of development", ""),
    ("21", "participants and events in each analysis", "events"),
    ("22", "the full model, so that it can be used", "digest"),
    ("23a", "performance with intervals", "performance"),
    ("23b", "performance in each cluster", ""),
    ("24", "results of recalibration", "recalibrated"),
    ("25", "interpretation", ""),
    ("26", "limitations", ""),
    ("27a", "input of poor quality, or missing", "poor_input"),
    ("27b", "what users must do and know", ""),
    ("27c", "next steps", ""),
)


def answered(items: Iterable[tuple[str, str, str]], answers: Mapping[str, str]) -> list[Item]:
    """The items with what `answers` says to each; nothing where it has no such key, or an empty text."""
    return [Item(number, words, answers.get(key) or None) for number, words, key in items]
