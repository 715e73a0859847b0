from __future__ import annotations

import numpy as np
import pytest

from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.pneumothorax.config import PUBLISHED_TRIPLETS, ThresholdsConfig, Triplet
from hounsfield.pneumothorax.rules import (
    LEVELS,
    above,
    apply_rule,
    film_probability,
    least_pixels,
    shows_pneumothorax,
)
from hounsfield.pneumothorax.thresholds import (
    choose,
    count_films,
    dice_by_rule,
    grid,
    thresholds_of,
)
from reference import triplet_rule

PIXELS = 12 * 12


@pytest.fixture
def films():
    """Maps of uint8 (N, 12, 12), true masks, and folds; a third of the films shows nothing."""
    rng = np.random.default_rng(3)
    maps = rng.integers(0, 256, (30, 12, 12)).astype(np.uint8)
    maps[::4] //= 2
    masks = [rng.random((12, 12)) < 0.3 if number % 3 else None for number in range(30)]
    return maps, masks, np.arange(30) % 3


def plain(maps):
    return (maps / 255).tolist()


def plain_masks(masks):
    return [[[0] * 12 for _ in range(12)] if mask is None else mask.astype(int).tolist() for mask in masks]


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.3, 0.6, 0.75, *LEVELS[[1, 77, 254]]])
def test_stored_probabilities_are_compared_as_the_numbers_that_they_stand_for(threshold) -> None:
    values = np.arange(256, dtype=np.uint8)
    expected = [level / 255 > threshold for level in range(256)]
    assert above(values, threshold).tolist() == expected
    assert above((values / 255).astype(np.float32), threshold).tolist() == expected


def test_the_three_rules_are_those_of_the_plain_reference(films) -> None:
    maps, _, _ = films
    for values, p in zip(maps, plain(maps), strict=True):
        for top, area, bottom in [(0.75, 20, 0.3), (0.6, 60, 0.4), (0.2, 0, 0.6), (0.9, 16, 0.3)]:
            share = area / PIXELS
            found = apply_rule(values, Triplet(top=top, area=share, bottom=bottom))
            assert found.astype(int).tolist() == triplet_rule.triplet(p, top, area, bottom)
            doublet, simple = Triplet(top=top, area=share, bottom=top), Triplet(top=top, area=0, bottom=top)
            assert apply_rule(values, doublet).astype(int).tolist() == triplet_rule.doublet(p, top, area)
            assert apply_rule(values, simple).astype(int).tolist() == triplet_rule.simple(p, top)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_triplet_of_a_grid_scores_as_the_plain_reference_says(films, dtype) -> None:
    maps, masks, _ = films
    given = maps if dtype == np.uint8 else (maps / 255).astype(np.float32)
    whole = ThresholdsConfig(tops=(0.75, 0.6), areas=(20 / PIXELS, 60 / PIXELS), bottoms=(0.3, 0.4))
    doublets = ThresholdsConfig(tops=(0.4, 0.8), areas=(0.2, 0.4))
    rules = [rule for one in (whole, doublets, ThresholdsConfig(tops=(0.5,))) for rule in grid(one)]
    counts = count_films(zip(given, masks, strict=True), thresholds_of(rules))
    found = dice_by_rule(counts, rules)
    assert found.shape == (30, 13)
    for column, rule in enumerate(rules):
        one = (rule.top, round(rule.area * PIXELS), rule.bottom)
        expected = triplet_rule.mean_dice(plain(maps), plain_masks(masks), one)
        assert found[:, column].mean() == pytest.approx(expected, abs=1e-12)


def test_a_fold_is_scored_by_the_rule_that_is_best_on_the_others_and_that_costs_something() -> None:
    dice = np.array([[1.0, 0.5, 0.6], [1.0, 0.5, 0.6], [0.0, 0.5, 0.6], [0.0, 0.5, 0.2]])
    choice = choose(dice, np.ones(4), np.array([0, 0, 1, 2]))
    assert choice.films.tolist() == [2, 1, 1]
    np.testing.assert_allclose(choice.overall, dice.mean(axis=0))
    assert choice.everywhere == 0  # of equal scores the first
    assert choice.by_fold == {0: 1, 1: 0, 2: 0}
    assert choice.optimistic == pytest.approx(0.5)
    assert choice.nested == pytest.approx((0.5 + 0.5 + 0.0 + 0.0) / 4)


def test_no_film_of_a_fold_has_a_say_in_the_rule_that_it_is_scored_by(films) -> None:
    maps, masks, folds = films
    rules = grid(ThresholdsConfig(tops=(0.75, 0.6), areas=(0.1, 0.3), bottoms=(0.3, 0.5)))
    labels = np.array([mask is not None for mask in masks])

    def chosen(given):
        counts = count_films(zip(given, masks, strict=True), thresholds_of(rules))
        return choose(dice_by_rule(counts, rules), labels, folds)

    before = chosen(maps)
    changed = maps.copy()
    changed[folds == 1] = 255 - changed[folds == 1]
    after = chosen(changed)
    assert after.by_fold[1] == before.by_fold[1]


def test_one_fold_has_no_others_to_choose_on() -> None:
    choice = choose(np.array([[0.2, 0.4]]), np.array([1]), np.array([3]))
    assert choice.by_fold == {}
    assert np.isnan(choice.nested)
    assert choice.optimistic == 0.4


def test_the_area_is_the_least_that_must_be_above_top_and_not_the_most() -> None:
    rule, found = Triplet(top=0.75, area=3 / 16, bottom=0.3), []
    for pixels in (2, 3, 16):
        values = np.zeros(16, np.float32)
        values[:pixels] = 0.8
        found.append(shows_pneumothorax(values.reshape(4, 4), rule))
    assert found == [False, True, True]


def test_the_area_is_a_share_of_the_image_whatever_its_size() -> None:
    rule = Triplet(top=0.75, area=0.001907, bottom=0.3)
    assert [least_pixels(rule, size * size) for size in (1024, 512, 128)] == [2000, 500, 31]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_films_probability_is_what_top_must_stay_below_for_the_rule_to_say_yes(films, dtype) -> None:
    for values in films[0] if dtype == np.uint8 else (films[0] / 255).astype(np.float32):
        for area in (0.0, 1 / PIXELS, 0.2, 1.0):
            found = film_probability(values, Triplet(top=0.5, area=area, bottom=0.3))
            rules = [Triplet(top=top, area=area, bottom=0.3) for top in (found - 0.001, found)]
            expected = [True, area == 0]  # an area of nothing is met by every film, whatever its pixels
            assert [shows_pneumothorax(values, rule) for rule in rules] == expected


def test_the_grid_is_that_of_the_configuration_each_rule_once() -> None:
    assert grid(ThresholdsConfig()) == list(PUBLISHED_TRIPLETS)
    tens = tuple(number / 10 for number in range(10))
    assert len(grid(ThresholdsConfig(tops=tens, areas=tens, bottoms=tens))) == 1000
    assert len(grid(ThresholdsConfig(tops=(0.5, 0.5), areas=(0.1,)))) == 1
    for wrong in (
        ThresholdsConfig(tops=(1.0,)),
        ThresholdsConfig(tops=(0.5,), areas=(2000.0,)),
        ThresholdsConfig(triplets=()),
    ):
        with pytest.raises(WrongUse, match="thresholds: "):
            grid(wrong)


def test_rules_are_not_chosen_on_negative_films_alone_but_a_fold_of_them_may_be_scored() -> None:
    dice, folds = np.array([[0.5, 1.0], [0.25, 0.0], [1.0, 0.0]]), np.array([0, 1, 2])
    assert choose(dice, np.array([0, 1, 1]), folds).by_fold == {0: 0, 1: 0, 2: 1}
    with pytest.raises(BadInput, match="no film outside fold 1 shows a pneumothorax"):
        choose(dice, np.array([0, 1, 0]), folds)
