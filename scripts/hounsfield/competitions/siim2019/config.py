"""The preparation's part of an experiment's configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Chest films to grey PNGs, masks and the table of films (stage 61)."""

    image_size: int = 1024  # pixels, of films and masks; 1024 or 512 as published, a multiple of 32
    fold_count: int = 5
    fold_seed: int = 42  # of the folds drawn here
    negatives_without_rows: bool = False  # True, as published: a training film that the RLE table lacks is a negative
    bad_share: float = 0.2  # more refused DICOM files than this share, and the stage fails
