"""The localiser's loss, held against the reference, and how a batch's parts add up to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.training.lone_devices import CPU
from hounsfield.core.training.batches import ImageBatch
from hounsfield.core.training.loop import Batch
from hounsfield.spine.localizer_training import WeighedBatches
from hounsfield.spine.losses import localizer_losses
from reference.localizer_loss import loss


class OneStep:
    """One step of batches: (B, 5) outputs stand for images; cut into parts."""

    def __init__(self, outputs: torch.Tensor, targets: torch.Tensor, parts: int) -> None:
        self._outputs, self._targets, self._parts = outputs, targets, parts

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        count = len(self._outputs)
        rows = [torch.arange(count)[part :: self._parts] for part in range(self._parts)]
        yield [
            Batch(ImageBatch(self._outputs[own], self._targets[own]), torch.full((len(own),), 1 / count))
            if len(own)
            else Batch(ImageBatch(self._outputs[:1], self._targets[:1]), torch.zeros(1))
            for own in rows
        ]


def total(outputs: torch.Tensor, targets: torch.Tensor, parts: int) -> float:
    step: Any = OneStep(outputs, targets, parts)
    (weighed,) = WeighedBatches(step, 0.8, CPU).parts(0)
    return sum(float((localizer_losses(*samples, 0.05) * weights).sum()) for samples, weights in weighed)


@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 4))
def test_the_parts_of_a_batch_add_up_to_the_loss_of_the_reference(
    seed: int, count: int, boxed: float, parts: int
) -> None:
    rng = np.random.default_rng(seed)
    outputs, targets = rng.normal(size=(count, 5)), rng.random((count, 5))
    targets[:, 4] = rng.random(count) < 0.5
    targets[rng.random(count) >= boxed, :4] = np.nan
    true = [None if np.isnan(row[0]) else tuple(row[:4]) for row in targets]
    expected = loss(outputs[:, :4].tolist(), outputs[:, 4].tolist(), true, targets[:, 4].tolist())
    found = total(torch.from_numpy(outputs), torch.from_numpy(targets), parts)
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_batch_without_a_box_has_a_finite_gradient() -> None:
    """Published: the mean over no box, NaN (defect 17)."""
    outputs = torch.zeros(3, 5, requires_grad=True)
    targets = torch.full((3, 5), torch.nan)
    targets[:, 4] = 0
    step: Any = OneStep(outputs, targets, 1)
    (((samples, weights),),) = WeighedBatches(step, 0.8, CPU).parts(0)
    (localizer_losses(samples.images, samples.labels, 0.05) * weights).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert not outputs.grad[:, :4].any()
