"""Folds of the 11th-place system, from the specification, section 7, step 3.

    Folds: 8, by patient, seed 300: patients in order of PatientID; each patient's rarest label (by total count over
    the set; '' where none) decides; it goes to the fold with the fewest of that label so far, ties broken at
    random; then all the patient's slice labels are counted to that fold.

The specification leaves open what is drawn: here one number of numpy's default generator per patient, also where a
single fold has the fewest. Of labels that are equally rare the first in the alphabet decides. A patient without any
label counts '' once.

By hand, five patients in two folds, a and b being labels:

    patient  its slices   rarest (a 4, b 7 in all)   goes to          folds then hold
    p1       ab, ab       a                          x, drawn         x: a 2, b 2
    p2       a            a                          y (0 < 2)        y: a 1
    p3       b, b, b      b                          y (0 < 2)        y: a 1, b 3
    p4       b            b                          x (2 < 3)        x: a 2, b 3
    p5       ab           a                          y (1 < 2)

>>> patients = ["p5", "p4", "p3", "p3", "p3", "p2", "p1", "p1"]
>>> shown = [["a", "b"], ["b"], ["b"], ["b"], ["b"], ["a"], ["a", "b"], ["a", "b"]]
>>> folds = rarest_label_folds(patients, shown, count=2, seed=300)
>>> x = folds[-1]
>>> folds == [1 - x, x, 1 - x, 1 - x, 1 - x, 1 - x, x, x]
True
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rarest_label_folds(patients: Sequence[str], labels: Sequence[Sequence[str]], count: int, seed: int) -> list[int]:
    """patients, labels: one per slice, its patient and the names of what it shows. Returns the fold of each slice."""
    of_patient: dict[str, list[str]] = {}
    for patient, shown in zip(patients, labels, strict=True):
        of_patient.setdefault(patient, []).extend(shown)
    for patient, shown in of_patient.items():
        of_patient[patient] = shown or [""]

    total: dict[str, int] = {}
    for shown in of_patient.values():
        for label in shown:
            total[label] = total.get(label, 0) + 1

    draws = np.random.default_rng(seed)
    held = [dict.fromkeys(total, 0) for _ in range(count)]
    fold_of = {}
    for patient in sorted(of_patient):
        rarest = min(sorted(of_patient[patient]), key=lambda label: total[label])
        fewest = min(fold[rarest] for fold in held)
        equal = [number for number in range(count) if held[number][rarest] == fewest]
        chosen = equal[draws.integers(len(equal))]
        fold_of[patient] = chosen
        for label in of_patient[patient]:
            held[chosen][label] += 1
    return [fold_of[patient] for patient in patients]
