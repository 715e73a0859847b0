"""Sample order and random draws, such that a run can be killed and go on as if it had not been.

Every draw is a function of numbers that are known at the step where it is used: sample order of (seed, epoch),
augmentation of (seed, epoch, sample), dropout of (seed, epoch, step, rank). Nothing comes from a stream whose state
would have to be carried along, so the number of loader workers never matters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch


def seed_of(*numbers: int) -> int:
    """One 63-bit seed out of several numbers; different numbers give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of samples in one epoch: a permutation of range(count), (count,) int64."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Make dropout and whatever else draws on the device depend on this step alone."""
    torch.manual_seed(seed_of(seed, epoch, step, rank))


class Share(NamedTuple):
    """One process's part of one micro-batch: which samples, and how much each counts in the global mean."""

    samples: np.ndarray  # (n,) int64
    weights: np.ndarray  # (n,) float32; sums to 1 over all parts of a step


def split_batch(batch: np.ndarray, *, rank: int, world: int, parts: int) -> list[Share]:
    """Split one global batch over processes and, within each, over `parts` gradient accumulation steps.

    Summed over all processes and parts, the weighted losses are the plain mean over the batch, whatever the split. A
    process left without a sample gets the first one with weight zero, so that all take the same number of steps.
    """
    shares = []
    for part in range(parts):
        own = batch[rank * parts + part :: world * parts]
        weights = np.full(len(own), 1 / len(batch), np.float32)
        shares.append(Share(own, weights) if len(own) else Share(batch[:1], np.zeros(1, np.float32)))
    return shares


def batches(order: np.ndarray, batch_size: int, *, drop_last: bool = False) -> list[np.ndarray]:
    """Cut a sample order into global batches. The last may be smaller; with `drop_last` a smaller one is left out."""
    count = len(order) - len(order) % batch_size if drop_last else len(order)
    return [order[start : start + batch_size] for start in range(0, count, batch_size)]
