from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.pneumothorax.config import PUBLISHED_TRIPLETS, Triplet
from hounsfield.pneumothorax.validation import dice_by_triplet, epoch_scores

SIZE = 16
RULES = (
    Triplet(top=0.75, area=3 / SIZE**2, bottom=0.3),
    Triplet(top=0.6, area=20 / SIZE**2, bottom=0.4),
    Triplet(top=0.5, area=0.0, bottom=0.5),  # the simple rule
)


def plain_dice(map_of_film: np.ndarray, mask: np.ndarray, rule: Triplet) -> float:
    """(2|P n T| + eps) / (|P| + |T| + eps), eps = 1e-6; P is empty unless count(p > top) >= area, else p > bottom."""
    above_top = overlap = found = true = 0
    for p, t in zip(map_of_film.ravel().tolist(), mask.ravel().tolist(), strict=True):
        above_top += p > rule.top
        overlap += p > rule.bottom and t == 1
        found += p > rule.bottom
        true += t == 1
    if above_top < round(rule.area * map_of_film.size):
        overlap = found = 0
    return (2 * overlap + 1e-6) / (found + true + 1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.02, 0.2, 1.0]))
def test_each_films_dice_by_each_rule_is_the_plain_one(seed: int, brightness: float) -> None:
    draws = np.random.default_rng(seed)
    maps = (draws.random((3, SIZE, SIZE)) ** (1 / brightness)).astype(np.float32)
    masks = (draws.random((3, SIZE, SIZE)) < np.array([0, 0.1, 0.5])[:, None, None]).astype(np.uint8)
    found = dice_by_triplet(torch.from_numpy(maps), torch.from_numpy(masks), RULES).numpy()
    expected = [[plain_dice(one, mask, rule) for rule in RULES] for one, mask in zip(maps, masks, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_two_empty_masks_score_one_and_a_false_alarm_next_to_nothing() -> None:
    maps = torch.stack([torch.zeros(SIZE, SIZE), torch.ones(SIZE, SIZE)])
    found = dice_by_triplet(maps, torch.zeros(2, SIZE, SIZE, dtype=torch.uint8), RULES)
    assert found[0].tolist() == [1, 1, 1]
    assert found[1].max() < 1e-8


def test_the_comparisons_are_strict() -> None:
    maps = torch.full((1, SIZE, SIZE), 0.75)
    masks = torch.ones(1, SIZE, SIZE, dtype=torch.uint8)
    assert dice_by_triplet(maps, masks, RULES[:1]).item() < 1e-8  # nothing is above 0.75


def test_an_epochs_score_is_the_best_rules_mean_over_films_and_of_equals_the_first() -> None:
    """A mean of batch means would weigh the last, short batch as much as the others."""
    dice = np.zeros((5, len(PUBLISHED_TRIPLETS)))
    dice[:, 2] = dice[:, 5] = [1, 1, 0, 0, 1]
    dice[4, 7] = 1
    scores = epoch_scores(dice, np.array([True, False, True, False, False]), PUBLISHED_TRIPLETS)
    assert scores["dice"] == pytest.approx(0.6)
    assert scores["dice_positive"] == pytest.approx(0.5)
    assert scores["triplet"] == {"top": 0.75, "area": 2000 / 1024**2, "bottom": 0.3}
    assert scores["dice_by_triplet"] == pytest.approx([0, 0, 0.6, 0, 0, 0.6, 0, 0.2])
