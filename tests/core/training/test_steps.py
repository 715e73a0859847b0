"""What a step of the training loop is: its rate, its gradient, its share of a batch, and what is reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lone_devices import CPU, one_of
from small_runs import EPOCHS, INPUTS, SAMPLES, STEPS, Numbers, network_of, train
from torch import Tensor

from hounsfield.core.training import loop
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.loop import training


def test_a_rate_that_changes_with_each_step_rises_over_its_share_and_falls_as_a_cosine(tmp_path: Path) -> None:
    rates = train(tmp_path, warm_up=0.2).rates
    rise = [0.1 * (step + 1) / 3 for step in range(3)]  # a fifth of 15 steps
    fall = [0.1 * (1 + np.cos(np.pi * step / 12)) / 2 for step in range(12)]
    np.testing.assert_allclose(rates, rise + fall, rtol=1e-9)


def test_dropout_differs_from_step_to_step_and_from_epoch_to_epoch(tmp_path: Path) -> None:
    drawn: list[float] = []
    train(tmp_path, before_step=lambda _: drawn.append(float(torch.rand(()))))
    assert len(set(drawn)) == EPOCHS * STEPS


def test_gradients_are_brought_down_to_the_norm_together(tmp_path: Path) -> None:
    """Of SGD without a step before it, the change is the rate times the gradient."""
    start = network_of(dropout=0).state_dict().values()

    def change(**options: float) -> Tensor:
        folder = tmp_path / str(options.get("clip_norm"))
        after = train(folder, epochs=1, dropout=0, steps=1, **options).weights
        return torch.cat([(new - old).flatten() for new, old in zip(after, start, strict=True)])

    whole, clipped = change(), change(clip_norm=0.01)
    assert whole.norm() > 0.1 * 0.01
    torch.testing.assert_close(clipped.norm().item(), 0.1 * 0.01, rtol=1e-3, atol=0)
    torch.testing.assert_close(clipped / clipped.norm(), whole / whole.norm(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_accumulated_parts_make_the_same_step_and_report_as_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    """Five parts of a batch of four: one of them is empty. The loss that is reported is not divided by the parts."""
    said: list[str] = []
    monkeypatch.setattr(loop.logger, "info", lambda text, *values: said.append(text % values))
    whole = train(tmp_path / "whole", dropout=0)
    cut = train(tmp_path / "cut", dropout=0, parts=parts)
    losses = [line.partition("training loss ")[2] for line in said if "training loss" in line]
    assert len(losses) == 2 * EPOCHS and losses[:EPOCHS] == losses[EPOCHS:]
    assert len(cut.rates) == parts * len(whole.rates)
    for one, other in zip(whole.weights, cut.weights, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("batch_size", [SAMPLES, 7, 2])
def test_uneven_shares_of_a_batch_add_up_to_its_step(tmp_path: Path, batch_size: int) -> None:
    """The mean of what four processes change by themselves is what one changes; of two samples, two have none."""

    def change(devices: Devices) -> list[Tensor]:
        folder = tmp_path / f"{devices.rank} of {devices.world}"
        after = train(folder, devices, epochs=1, dropout=0, batch_size=batch_size, steps=1).weights
        return [new - old for new, old in zip(after, network_of(dropout=0).state_dict().values(), strict=True)]

    several = [change(one_of(4, rank)) for rank in range(4)]
    for expected, *found in zip(change(CPU), *several, strict=True):
        assert expected.abs().sum() > 0
        torch.testing.assert_close(torch.stack(found).mean(dim=0), expected)


def test_an_epochs_report_leaves_out_scores_that_are_not_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(loop.logger, "info", lambda text, *values: said.append(text % values))
    network = network_of(dropout=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with training(
        tmp_path, network, optimizer, None, CPU, seed=1, save_every=9, name="fold 3", scalars=tmp_path / "scalars"
    ) as run:
        run.steps(Numbers(0, CPU), lambda rows: network(INPUTS[rows])[:, 0] * 0 + 0.25)
        run.end_epoch({"weighted_log_loss": 0.5, "auc_any": None})
    assert "fold 3, epoch 0: training loss 0.2500, weighted log loss 0.5000" in said
    assert any(line.startswith(f"fold 3, epoch 0: {SAMPLES} samples, ") for line in said)
