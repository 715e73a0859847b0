"""What networks say of images, each image by those of its own fold. N images, B in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from hounsfield.core.errors import BadInput
from hounsfield.core.training.batches import UNAUGMENTED, Images, load_batches
from hounsfield.core.training.blocks import fill_arrays
from hounsfield.core.training.devices import Devices

NetworksT = TypeVar("NetworksT")


def fill_by_fold(
    path: Path,
    images: Images,
    folds: np.ndarray,
    networks_of: Callable[[int], NetworksT],
    predict: Callable[[NetworksT, Any], np.ndarray],
    devices: Devices,
    *,
    workers: int,
    batch_size: int,
    block_batches: int,
    remedy: str,
    stored: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> None:
    """Write the predictions for all images to `path`, (N, ...). A killed run goes on with the blocks that are missing.

    folds: (N,) of each image. networks_of: by fold, the networks that answer for its images; called when the fold
    changes, so rows should stand fold by fold. predict: what these say of a batch on the device; one that holds two
    folds is cut in two. remedy: what to try where networks give no numbers, which raises BadInput naming the images.
    stored: predictions as they are kept.
    """

    def compute(batches: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
        held: tuple[int, NetworksT] | None = None
        keys = [(UNAUGMENTED, rows) for rows in batches]
        loader = load_batches(images, keys, workers=workers, device=devices.device)
        for rows, batch in zip(batches, loader, strict=True):
            samples = [one.to(devices.device, non_blocking=True) for one in batch]
            parts = []
            for fold in dict.fromkeys(folds[rows].tolist()):
                if held is None or held[0] != fold:
                    held = (fold, networks_of(fold))
                own = torch.from_numpy(folds[rows] == fold).to(devices.device)
                parts.append(predict(held[1], type(batch)(*(one[own] for one in samples))))
            predictions = np.concatenate(parts)
            refuse_nan(predictions, images.image_ids(rows), remedy)
            yield [stored(predictions)]

    fill_arrays([path], len(images), compute, devices, batch_size=batch_size, block_batches=block_batches)


def refuse_nan(predictions: np.ndarray, names: Sequence[str], remedy: str) -> None:
    """Raise BadInput naming the images of which networks give no numbers. predictions: (B, ...); names: (B,)."""
    finite = np.isfinite(predictions).reshape(len(predictions), -1).all(axis=1)
    if not finite.all():
        wrong = [name for name, fine in zip(names, finite, strict=True) if not fine]
        raise BadInput(
            f"the networks give no numbers (NaN) for {', '.join(wrong)}: their training has diverged, or half "
            f"precision is too little; {remedy}"
        )
