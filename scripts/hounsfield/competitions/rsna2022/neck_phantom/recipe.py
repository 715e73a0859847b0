"""What a phantom data set is made of; the same recipe gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hounsfield.core.errors import WrongUse
from hounsfield.core.phantom_kit.recipe import ArchiveRecipe

MOST_STUDIES = 16384  # of which each has a name of its own


@dataclass(frozen=True, kw_only=True)
class PhantomRecipe(ArchiveRecipe):
    """What a phantom data set holds; a patient has one study. Raises WrongUse for values that cannot be used."""

    format: ClassVar = 1
    sizes: ClassVar = (32, 1024)
    train_patients: int = 200
    test_patients: int = 40
    size: int = 512  # rows and columns of a slice
    spacing: tuple[float, float] = (0.5, 1.25)  # mm between slices: the least and the most of any study
    segmented_share: float = 0.25  # of the training studies; the competition's is 87 of 2019
    severity: float = 1.0  # of fractures; above the usual 1 with wider gaps that hold gas, and pieces further apart
    seed: int = 2022
    compression: str = "deflated"  # of a zip's members; or "stored"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_patients + self.test_patients > MOST_STUDIES:
            patients = f"train_patients {self.train_patients}, test_patients {self.test_patients}"
            raise WrongUse(f"{patients}: give at most {MOST_STUDIES} together")
        if not 0.3 <= self.spacing[0] <= self.spacing[1] <= 10:
            raise WrongUse(f"spacing {self.spacing}: give the least and the most, 0.3 to 10 mm")
        if not 0 <= self.segmented_share <= 1:
            raise WrongUse(f"segmented_share {self.segmented_share}: give 0 to 1")
        if not 0.5 <= self.severity <= 2.5:
            raise WrongUse(f"severity {self.severity}: give 0.5 to 2.5")

    def segmented(self, number: int) -> bool:
        """Whether a training study has a segmentation: every so-manieth."""
        return int((number + 1) * self.segmented_share) > int(number * self.segmented_share)


# drawn where a quickstart finds no data: 40 to 60 slices per study; fractures that a small network can learn from few
QUICKSTART = PhantomRecipe(
    train_patients=60, test_patients=8, size=128, spacing=(4.0, 4.4), segmented_share=0.5, severity=2.5
)
