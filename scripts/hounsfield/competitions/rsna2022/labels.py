"""What RSNA 2022 asks for: the probability that any cervical vertebra is fractured, and that each of the seven is.

The score is the log loss of each study, averaged over its eight names with weights that the labels choose; a fracture
counts twice, and the study as a whole seven times a vertebra.
"""

from __future__ import annotations

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.metrics import WeightedLogLoss

VERTEBRAE = ("C1", "C2", "C3", "C4", "C5", "C6", "C7")
OVERALL = "patient_overall"
NAMES = (OVERALL, *VERTEBRAE)
PROBABILITY_CLIP = 1e-6  # the score would be infinite at 0 and 1
STUDY_LOSS = WeightedLogLoss(negative=(7.0,) + (1.0,) * 7, positive=(14.0,) + (2.0,) * 7, clip=PROBABILITY_CLIP)
LABELS = LabelSet(NAMES, "study_uid", STUDY_LOSS, any_of=OVERALL)
