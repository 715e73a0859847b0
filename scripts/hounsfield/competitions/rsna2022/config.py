"""The preparation's part of an experiment's configuration."""

from __future__ import annotations

from dataclasses import dataclass

from hounsfield.core.stages.ranges import Count, Natural, Share


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """CT series to volumes of Hounsfield units, and the tables of studies and slices (stage 51)."""

    fold_count: Count = 5
    fold_seed: Natural = 42  # of the folds drawn here
    any_overall: bool = False  # True: accept a label table whose patient_overall is not the maximum of C1 to C7
    bad_share: Share = 0.2  # more refused DICOM files than this share, and the stage fails
