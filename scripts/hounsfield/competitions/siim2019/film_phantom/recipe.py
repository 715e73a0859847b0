"""What a phantom data set is made of; the same recipe gives the same bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from hounsfield.core.errors import WrongUse

FORMAT = 1  # raised when the generator's output changes, so that an older archive is not taken for a current one
TOP_FOLDERS = {1: "pneumothorax/", 2: "siim-acr-pneumothorax-segmentation/"}


@dataclass(frozen=True, kw_only=True)
class PhantomRecipe:
    """What a phantom data set holds. Raises WrongUse for values that cannot be used."""

    train_patients: int = 200
    test_patients: int = 40
    size: int = 1024  # rows and columns of a film
    seed: int = 2019
    stage: Literal[1, 2] = 1  # of the competition: its folders and tables; the second holds the first one's test films
    compression: str = "stored"  # of a zip's members; or "deflated"

    def __post_init__(self) -> None:
        if self.train_patients < 1 or self.test_patients < 0:
            patients = f"train_patients {self.train_patients}, test_patients {self.test_patients}"
            raise WrongUse(f"{patients}: give at least 1 and at least 0")
        if not 64 <= self.size <= 2048:
            raise WrongUse(f"size {self.size}: rows and columns must be 64 to 2048")
        if self.seed < 0:
            raise WrongUse(f"seed {self.seed}: give a number from 0 up")
        if self.stage not in TOP_FOLDERS:
            raise WrongUse(f"stage {self.stage}: the competition had stages 1 and 2")
        if self.compression not in ("stored", "deflated"):
            raise WrongUse(f"compression {self.compression!r}: choose stored or deflated")

    def to_json(self) -> dict[str, Any]:
        """The recipe's values for the file beside the archive."""
        return {"format": FORMAT, **asdict(self)}


QUICKSTART = PhantomRecipe(size=256)  # drawn where a quickstart finds no data
