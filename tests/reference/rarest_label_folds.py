"""The 11th place's folds, patient by patient with dictionaries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

NONE = ""


def rarest_label_folds(patients: Sequence[str], labels: Sequence[Sequence[str]], count: int, seed: int) -> list[int]:
    """patients, labels: a slice's patient, and the names of what it shows. Returns the fold of each slice."""
    of_patient = defaultdict(list)
    for patient, shown in zip(patients, labels, strict=True):
        of_patient[patient].extend(shown)
    totals = Counter(label for shown in of_patient.values() for label in shown or [NONE])
    held = [Counter() for _ in range(count)]
    draws = np.random.default_rng(seed)
    fold_of = {}
    for patient in sorted(of_patient):
        shown = of_patient[patient] or [NONE]
        rarest = min(sorted(set(shown)), key=lambda label: totals[label])
        fewest = min(fold[rarest] for fold in held)
        tied = [number for number, fold in enumerate(held) if fold[rarest] == fewest]
        fold_of[patient] = tied[draws.integers(len(tied))]
        held[fold_of[patient]].update(shown)
    return [fold_of[patient] for patient in patients]
