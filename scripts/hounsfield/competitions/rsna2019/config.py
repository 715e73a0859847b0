"""The preparation's part of an experiment's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hounsfield.core.stages.ranges import Count, Share


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """DICOM to windowed images and the table of slices (stage 01)."""

    repair_intercept: bool = True  # False reproduces the 2nd-place system, which does not know the wrong intercepts
    order: Literal["normal", "position_xyz"] = "normal"  # position_xyz reproduces the published order
    jpeg_quality: Count = 95
    fold_count: Count = 5
    bad_share: Share = 0.2  # more refused DICOM files than this share, and the stage fails
