"""What networks say of images, each image by those of its own fold. N images, B in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from hounsfield.core.errors import BadInput
from hounsfield.core.training.batches import UNAUGMENTED, Images, load_batches

NetworksT = TypeVar("NetworksT")


def predict_by_fold(
    images: Images,
    folds: np.ndarray,
    networks_of: Callable[[int], NetworksT],
    predict: Callable[[NetworksT, Any], np.ndarray],
    batches: Sequence[np.ndarray],
    *,
    workers: int,
    device: torch.device,
    remedy: str,
) -> Iterator[np.ndarray]:
    """The predictions for each batch of row numbers, (B, ...).

    folds: (N,) of each image. networks_of: by fold, the networks that answer for its images; called when the fold
    changes, so rows should stand fold by fold. predict: what these say of a batch on the device; one that holds two
    folds is cut in two. remedy: what to try where networks give no numbers, which raises BadInput naming the images.
    """
    held: tuple[int, NetworksT] | None = None
    loader = load_batches(images, [(UNAUGMENTED, rows) for rows in batches], workers=workers, device=device)
    for rows, batch in zip(batches, loader, strict=True):
        samples = [one.to(device, non_blocking=True) for one in batch]
        parts = []
        for fold in dict.fromkeys(folds[rows].tolist()):
            if held is None or held[0] != fold:
                held = (fold, networks_of(fold))
            own = torch.from_numpy(folds[rows] == fold).to(device)
            parts.append(predict(held[1], type(batch)(*(one[own] for one in samples))))
        predictions = np.concatenate(parts)
        refuse_nan(predictions, images.image_ids(rows), remedy)
        yield predictions


def refuse_nan(predictions: np.ndarray, names: Sequence[str], remedy: str) -> None:
    """Raise BadInput naming the images of which networks give no numbers. predictions: (B, ...); names: (B,)."""
    finite = np.isfinite(predictions).reshape(len(predictions), -1).all(axis=1)
    if not finite.all():
        wrong = [name for name, fine in zip(names, finite, strict=True) if not fine]
        raise BadInput(
            f"the networks give no numbers (NaN) for {', '.join(wrong)}: their training has diverged, or half "
            f"precision is too little; {remedy}"
        )
