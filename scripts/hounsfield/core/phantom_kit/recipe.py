"""What a phantom data set is made of, whatever its anatomy; the same recipe gives the same bytes."""

from __future__ import annotations

from typing import Any, ClassVar

from hounsfield.core.errors import WrongUse
from hounsfield.core.storage.files import json_values


class ArchiveRecipe:
    """What every phantom data set has. A recipe is a frozen dataclass of this and of values of its own.

    Raises WrongUse for values that cannot be used.
    """

    format: ClassVar[int]  # raised when the generator's output changes: an older archive is then of another recipe
    sizes: ClassVar[tuple[int, int]]  # the least and the greatest size
    train_patients: int  # with labels
    test_patients: int
    size: int  # rows and columns of a picture
    seed: int
    compression: str  # of a zip's members: stored or deflated

    def __post_init__(self) -> None:
        if self.train_patients < 1 or self.test_patients < 0:
            patients = f"train_patients {self.train_patients}, test_patients {self.test_patients}"
            raise WrongUse(f"{patients}: give at least 1 and at least 0")
        least, most = self.sizes
        if not least <= self.size <= most:
            raise WrongUse(f"size {self.size}: rows and columns must be {least} to {most}")
        if self.seed < 0:
            raise WrongUse(f"seed {self.seed}: give a number from 0 up")
        if self.compression not in ("stored", "deflated"):
            raise WrongUse(f"compression {self.compression!r}: choose stored or deflated")

    def to_json(self) -> dict[str, Any]:
        """The recipe's values for the file beside the archive."""
        return {"format": self.format, **json_values(vars(self))}
