"""What a phantom data set is made of; the same recipe gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from hounsfield.core.errors import WrongUse
from hounsfield.core.phantom_kit.recipe import ArchiveRecipe

TOP_FOLDER = "rsna-intracranial-hemorrhage-detection"
# what every path in the archive begins with, and what the names of the two image folders end with
LAYOUTS = {"current": (f"{TOP_FOLDER}/", ""), "2019": ("", "_images")}


@dataclass(frozen=True, kw_only=True)
class PhantomRecipe(ArchiveRecipe):
    """What a phantom data set holds. Raises WrongUse for values that cannot be used."""

    format: ClassVar = 3
    sizes: ClassVar = (64, 1024)
    train_patients: int = 80
    test_patients: int = 10
    slices: tuple[int, int] = (10, 16)  # fewest and most slices in a series
    size: int = 512  # rows and columns of a slice
    seed: int = 2019
    layout: str = "current"  # the archive's paths, one of LAYOUTS: as Kaggle serves them today, or as in 2019
    compression: str = "stored"  # or "deflated"
    noise: float = 1.0  # times that of the usual scanner

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.slices[0] <= self.slices[1] <= 200:
            raise WrongUse(f"slices {self.slices}: give the fewest and the most slices of a series, 1 to 200")
        if not 0 <= self.noise <= 10:
            raise WrongUse(f"noise {self.noise}: give a factor from 0 to 10")
        if self.layout not in LAYOUTS:
            raise WrongUse(f"layout {self.layout!r}: choose {' or '.join(LAYOUTS)}")

    def to_json(self) -> dict[str, Any]:
        """The recipe's values for the file beside the archive."""
        values = super().to_json()
        if self.noise == 1:  # archives from before there was another one have the same recipe
            del values["noise"]
        return values
