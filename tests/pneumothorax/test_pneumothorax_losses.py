from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hounsfield.pneumothorax.config import LossConfig
from hounsfield.pneumothorax.losses import binary_cross_entropy, combo_loss, focal_loss
from reference import segmentation_losses as reference

ALBUNET_VALID = LossConfig(bce=3, dice=1, focal=4)
NOTHING = LossConfig(bce=0, dice=0, focal=0)


def alone(values: Tensor) -> Tensor:
    return values


def drawn(seed: int, films: int, *, spread: float = 4) -> tuple[Tensor, Tensor]:
    """Logits (B, 1, 8, 8), and masks, the first of them empty."""
    draws = np.random.default_rng(seed)
    masks = (draws.random((films, 8, 8)) < 0.3) * (np.arange(films) > 0)[:, None, None]
    return torch.from_numpy(draws.normal(0, spread, (films, 1, 8, 8)).astype(np.float32)), torch.from_numpy(masks)


def mean_loss(logits: Tensor, masks: Tensor, config: LossConfig) -> Tensor:
    return combo_loss(logits, masks, torch.ones(len(masks)), config, alone).mean()


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.5, 4, 20]))
def test_each_loss_is_the_plain_one(seed: int, films: int, spread: float) -> None:
    logits, masks = drawn(seed, films, spread=spread)
    x, t = logits[:, 0].double().numpy(), masks.double().numpy()
    for config, plain in (
        (LossConfig(bce=1, dice=0, focal=0), reference.bce),
        (LossConfig(bce=0, dice=1, focal=0), reference.dice),
        (LossConfig(bce=0, dice=0, focal=1), reference.focal),
    ):
        assert mean_loss(logits, masks, config).item() == pytest.approx(max(plain(x, t), 1e-5), rel=1e-6, abs=1e-6)
    bce, focal = binary_cross_entropy(logits[:, 0], masks.float()), focal_loss(logits[:, 0], masks.float())
    assert bce.mean().item() == pytest.approx(reference.bce(x, t), rel=1e-6)
    assert focal.mean().item() == pytest.approx(reference.focal(x, t), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 1, 4), (2, 1, 2)])
def test_the_published_sums_are_the_plain_ones(weights: tuple[float, float, float]) -> None:
    logits, masks = drawn(5, 3)
    config = LossConfig(bce=weights[0], dice=weights[1], focal=weights[2])
    expected = reference.combo(logits[:, 0].double().numpy(), masks.double().numpy(), *weights)
    assert mean_loss(logits, masks, config).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("logit", [-30, -18, -14])
def test_of_a_batch_without_a_pneumothorax_dice_depends_on_how_little_is_found(logit: float) -> None:
    logits, masks = torch.full((2, 1, 8, 8), float(logit)), torch.zeros(2, 8, 8)
    expected = reference.dice(logits.double().numpy(), masks.numpy())
    found = mean_loss(logits, masks, LossConfig(bce=0, dice=1, focal=0)).item()
    assert found == pytest.approx(max(expected, 1e-5), abs=1e-6)


def test_the_gradient_is_that_of_the_plain_loss() -> None:
    logits, masks = drawn(7, 3)
    logits.requires_grad_()
    mean_loss(logits, masks, ALBUNET_VALID).backward()
    x, t, step = logits.detach()[:, 0].double().numpy(), masks.double().numpy(), 1e-6
    for place in ((0, 0, 0), (1, 3, 5), (2, 7, 7)):
        moved = np.zeros_like(x)
        moved[place] = step
        expected = (reference.combo(x + moved, t, 3, 1, 4) - reference.combo(x - moved, t, 3, 1, 4)) / (2 * step)
        assert logits.grad[:, 0][place].item() == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("cut", [1, 2])
def test_two_processes_make_the_loss_and_the_gradient_of_one(cut: int) -> None:
    """Each knows of the other's films the sums alone; the second one's last film only keeps it in step."""
    logits, masks = drawn(11, 3)
    whole = logits.clone().requires_grad_()
    expected = mean_loss(whole, masks, ALBUNET_VALID)
    expected.backward()

    parts = [(logits[:cut], masks[:cut], torch.ones(cut))]
    rest = torch.cat([logits[cut:], logits[:1]]), torch.cat([masks[cut:], masks[:1]])
    parts.append((*rest, torch.tensor([1.0] * (3 - cut) + [0.0])))
    sums: list[Tensor] = []
    for part in parts:
        combo_loss(*part, ALBUNET_VALID, lambda values: sums.append(values.clone()) or values)
    both, value = torch.stack(sums).sum(dim=0), 0.0
    for part, at in zip(parts, (slice(0, cut), slice(cut, 3)), strict=True):
        own = part[0].clone().requires_grad_()
        loss = (combo_loss(own, *part[1:], ALBUNET_VALID, lambda _: both) * part[2] / 3).sum()
        loss.backward()
        value += loss.item()
        torch.testing.assert_close(own.grad[: at.stop - at.start], whole.grad[at], rtol=1e-5, atol=1e-8)
        assert not own.grad[at.stop - at.start :].any()
    assert value == pytest.approx(expected.item(), abs=1e-6)


def test_the_sum_is_clamped_below_and_pulls_at_nothing_there() -> None:
    masks = torch.zeros(2, 4, 4)
    masks[:, :2] = 1
    logits = (60 * (2 * masks - 1))[:, None].requires_grad_()
    loss = mean_loss(logits, masks, ALBUNET_VALID)
    loss.backward()
    assert loss.item() == pytest.approx(1e-5)
    assert not logits.grad.any()


def test_a_film_that_only_keeps_in_step_counts_for_nothing() -> None:
    logits, masks = drawn(13, 2)
    one = combo_loss(logits[1:], masks[1:], torch.ones(1), ALBUNET_VALID, alone)
    both = combo_loss(logits, masks, torch.tensor([0.0, 1.0]), ALBUNET_VALID, alone)
    assert both[1].item() == pytest.approx(one.item(), abs=1e-6)


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits, masks = drawn(17, 2)
    half = logits.half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = combo_loss(half, masks, torch.ones(2), ALBUNET_VALID, alone)
    assert found.dtype == torch.float32
    expected = reference.combo(half[:, 0].double().numpy(), masks.double().numpy(), 3, 1, 4)
    assert found.mean().item() == pytest.approx(expected, rel=1e-6)


def test_saturated_logits_give_finite_losses() -> None:
    masks = torch.zeros(1, 2, 2)
    masks[0, 0] = 1
    logits = (-1000 * (2 * masks - 1))[:, None].requires_grad_()  # wrong everywhere, and sure of it
    loss = mean_loss(logits, masks, ALBUNET_VALID)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
