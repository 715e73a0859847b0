"""Folds of the 11th-place system, from the specification, section 7, step 3.

    Folds: 8, by patient, seed 300: patients in order of PatientID; each patient's rarest label (by total count over
    the set; '' where none) decides; it goes to the fold with the fewest of that label so far, ties broken at
    random; then all the patient's slice labels are counted to that fold.

The specification leaves open what is drawn: here one number of numpy's default generator per patient, also where a
single fold has the fewest. Of labels that are equally rare the first in the alphabet decides. A patient without any
label counts '' once.

By hand, seven patients in two folds, a, b and c being labels. The folds would be others if the commonest label decided,
if labels or what a fold holds were counted by patients, or if a patient's rarest label alone were counted.

    patient  its slices   rarest (a 7, b 6, c 1 in all)   goes to          folds then hold
    p1       bc           c                               x, drawn         x: b 1, c 1
    p2       ab, ab, ab   b                               y (0 < 1)        y: a 3, b 3
    p3       ab           b                               x (1 < 3)        x: a 1, b 2, c 1
    p4       a, a         a                               x (1 < 3)        x: a 3, b 2, c 1
    p5       ab           b                               x (2 < 3)        x: a 4, b 3, c 1
    p6, p7   no label     ''                              one drawn, and the other

>>> slices = "p7: p6: p6: p5:ab p4:a p4:a p3:ab p2:ab p2:ab p2:ab p1:bc".split()
>>> patients, shown = zip(*(one.split(":") for one in slices))
>>> folds = rarest_label_folds(patients, shown, count=2, seed=300)
>>> x = folds[-1]
>>> folds[3:] == [x, x, x, x, 1 - x, 1 - x, 1 - x, x], folds[0] + folds[1]
(True, 1)
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
