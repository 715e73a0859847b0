"""How a part's learning rate falls from epoch to epoch, by the published settings and by their formulas."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.amp import GradScaler

from hounsfield.core.training.state import TrainingState
from hounsfield.pneumothorax.config import PartConfig
from hounsfield.pneumothorax.training import schedule_of


def rates(config: PartConfig, scores: list[float]) -> list[float]:
    """The rate of each epoch, given the scores that they end with."""
    network = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    scaler = GradScaler("cpu", enabled=False)
    state, found = TrainingState(Path(), network, optimizer, scaler, schedule_of(optimizer, config)), []
    for score in scores:
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        state.next_epoch(score)
    return found


def test_a_cosine_falls_to_the_lowest_rate_in_eight_epochs_and_rises_again_in_as_many() -> None:
    found = rates(PartConfig(start="part0"), [0.0] * 17)
    expected = [1e-7 + (1e-5 - 1e-7) * (1 + math.cos(math.pi * epoch / 8)) / 2 for epoch in range(17)]
    assert (expected[0], expected[8], expected[16]) == pytest.approx((1e-5, 1e-7, 1e-5))
    assert found == pytest.approx(expected)


def test_on_a_plateau_the_rate_falls_to_a_tenth_after_the_third_epoch_without_a_better_score() -> None:
    scores = [0.5, *[0.6] * 4, *[0.7] * 11]
    found = rates(PartConfig(start="initial", learning_rate=1e-4, schedule="plateau"), scores)
    assert found == pytest.approx([1e-4] * 5 + [1e-5] * 4 + [1e-6] * 3 + [1e-7] * 4)


def test_a_constant_rate_stays() -> None:
    assert rates(PartConfig(start="initial", schedule="constant"), [0.5] * 4) == [1e-5] * 4
