"""What a phantom data set is made of; the same recipe gives the same bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hounsfield.core.errors import WrongUse

FORMAT = 3  # raised when the generator's output changes, so that an older archive is not taken for a current one
TOP_FOLDER = "rsna-intracranial-hemorrhage-detection"
# what every path in the archive begins with, and what the names of the two image folders end with
LAYOUTS = {"current": (f"{TOP_FOLDER}/", ""), "2019": ("", "_images")}


@dataclass(frozen=True, kw_only=True)
class PhantomRecipe:
    """What a phantom data set holds. Raises WrongUse for values that cannot be used."""

    train_patients: int = 80
    test_patients: int = 10
    slices: tuple[int, int] = (10, 16)  # fewest and most slices in a series
    size: int = 512  # rows and columns of a slice
    seed: int = 2019
    layout: str = "current"  # the archive's paths, one of LAYOUTS: as Kaggle serves them today, or as in 2019
    compression: str = "stored"  # or "deflated"
    noise: float = 1.0  # times that of the usual scanner

    def __post_init__(self) -> None:
        if self.train_patients < 1 or self.test_patients < 0:
            patients = f"train_patients {self.train_patients}, test_patients {self.test_patients}"
            raise WrongUse(f"{patients}: give at least 1 and at least 0")
        if not 1 <= self.slices[0] <= self.slices[1] <= 200:
            raise WrongUse(f"slices {self.slices}: give the fewest and the most slices of a series, 1 to 200")
        if not 64 <= self.size <= 1024:
            raise WrongUse(f"size {self.size}: rows and columns must be 64 to 1024")
        if self.seed < 0:
            raise WrongUse(f"seed {self.seed}: give a number from 0 up")
        if self.compression not in ("stored", "deflated"):
            raise WrongUse(f"compression {self.compression!r}: choose stored or deflated")
        if not 0 <= self.noise <= 10:
            raise WrongUse(f"noise {self.noise}: give a factor from 0 to 10")
        if self.layout not in LAYOUTS:
            raise WrongUse(f"layout {self.layout!r}: choose {' or '.join(LAYOUTS)}")

    def to_json(self) -> dict[str, Any]:
        """The recipe's values for the file beside the archive."""
        values = {"format": FORMAT, **asdict(self), "slices": list(self.slices)}
        if self.noise == 1:  # archives from before there was another one have the same recipe
            del values["noise"]
        return values
