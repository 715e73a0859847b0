"""The preparation's part of an experiment's configuration."""

from __future__ import annotations

from dataclasses import dataclass

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.ranges import Natural, Share

LARGEST_IMAGE = 4096  # pixels


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Chest films to grey PNGs, masks and the table of films (stage 61)."""

    image_size: int = 1024  # pixels, of films and masks; 1024 or 512 as published
    fold_count: int = 5
    fold_seed: Natural = 42  # of the folds drawn here
    negatives_without_rows: bool = False  # True, as published: a training film that the RLE table lacks is a negative
    bad_share: Share = 0.2  # more refused DICOM files than this share, and the stage fails


def check_prepare(config: PrepareConfig) -> None:
    """Raise WrongUse where films cannot be prepared so."""
    if not 32 <= config.image_size <= LARGEST_IMAGE or config.image_size % 32:
        raise WrongUse(f"prepare.image_size {config.image_size}: give a multiple of 32, up to {LARGEST_IMAGE}")
    if config.fold_count < 2:
        raise WrongUse(f"prepare.fold_count {config.fold_count}: give at least 2")
