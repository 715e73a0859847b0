"""Which of a run's epochs are kept: the best by a score, or the last. K epochs.

The list is a tensor that a training state carries, so that a run that goes on knows what it kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from hounsfield.core.training.precision import Kept


class KeptEpoch(NamedTuple):
    """One epoch whose weights are there, and its score."""

    epoch: int
    score: float


def none_kept() -> Tensor:
    """The list before the first epoch, (0, 2) float64."""
    return torch.zeros(0, 2, dtype=torch.float64)


def kept_with(kept: Tensor, epoch: int, score: float, count: int, rule: Kept) -> Tensor:
    """The list after one more epoch, at most `count` of them, (K, 2) float64: epoch and score.

    rule: `best` puts the highest score first, and of equal ones the earliest epoch; `last` the latest epoch.
    """
    rows = torch.cat([kept, torch.tensor([[epoch, score]], dtype=torch.float64)])
    order = torch.sort(rows[:, 1 if rule == "best" else 0], descending=True, stable=True).indices
    return rows[order][:count]


def epochs_of(kept: Tensor) -> list[KeptEpoch]:
    """The list as numbers, in its order."""
    return [KeptEpoch(int(epoch), score) for epoch, score in kept.tolist()]


def remove_other_epochs(folder: Path, kept: Tensor) -> None:
    """Remove the weights `epoch<e>.safetensors` in `folder`, and the facts beside them, of epochs that are not kept."""
    names = {f"epoch{one.epoch}" for one in epochs_of(kept)}
    for path in folder.glob("epoch*"):
        if path.stem not in names and path.suffix in (".safetensors", ".json"):
            path.unlink(missing_ok=True)
