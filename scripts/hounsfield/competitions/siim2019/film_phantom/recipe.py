"""What a phantom data set is made of; the same recipe gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from hounsfield.core.errors import WrongUse
from hounsfield.core.phantom_kit.recipe import ArchiveRecipe

TOP_FOLDERS = {1: "pneumothorax/", 2: "siim-acr-pneumothorax-segmentation/"}


@dataclass(frozen=True, kw_only=True)
class PhantomRecipe(ArchiveRecipe):
    """What a phantom data set holds. Raises WrongUse for values that cannot be used."""

    format: ClassVar = 1
    sizes: ClassVar = (64, 2048)
    train_patients: int = 200
    test_patients: int = 40
    size: int = 1024  # rows and columns of a film
    seed: int = 2019
    stage: Literal[1, 2] = 1  # of the competition: its folders and tables; the second holds the first one's test films
    compression: str = "stored"  # of a zip's members; or "deflated"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage not in TOP_FOLDERS:
            raise WrongUse(f"stage {self.stage}: the competition had stages 1 and 2")


QUICKSTART = PhantomRecipe(size=256)  # drawn where a quickstart finds no data
