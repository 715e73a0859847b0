from __future__ import annotations

import numpy as np
import pytest

from hounsfield.pneumothorax.sampling import negatives_wanted, sample_epoch

POSITIVE = np.arange(60) % 3 == 0  # 20 of 60


def epoch(share: float | None, *seed: int, repeat: bool = False) -> np.ndarray:
    return sample_epoch(POSITIVE, share, negatives_repeat=repeat, seed=(42, *seed))


@pytest.mark.parametrize(
    ("positives", "share", "negatives"),
    [
        (1910, 0.8, 477), (1910, 0.6, 1273), (1910, 0.4, 2865), (2200, 0.5, 2200), (2200, 0.4, 3300),
        (7, 0.6, 4),  # 4.67
        (5, 1.0, 0),
    ],
)  # fmt: skip
def test_a_share_asks_for_as_many_negatives_as_the_published_sampler(
    positives: int, share: float, negatives: int
) -> None:
    assert negatives_wanted(positives, share) == negatives


@pytest.mark.parametrize("share", [0.8, 0.5, 0.4])
def test_every_positive_comes_once_and_no_negative_twice(share: float) -> None:
    rows = epoch(share, 0)
    assert len(set(rows)) == len(rows)
    assert POSITIVE[rows].sum() == 20
    assert (~POSITIVE[rows]).sum() == negatives_wanted(20, share)


def test_more_negatives_than_there_are_cannot_be_had_without_replacement() -> None:
    assert sorted(epoch(0.1, 0)) == list(range(60))


def test_with_replacement_negatives_come_again_as_they_were_published() -> None:
    rows = epoch(0.1, 0, repeat=True)
    negatives = rows[~POSITIVE[rows]]
    assert len(negatives) == 180
    assert len(set(negatives)) <= 40
    assert POSITIVE[rows].sum() == 20


def test_a_set_of_positives_alone_draws_no_negatives() -> None:
    for repeat in (False, True):
        rows = sample_epoch(np.ones(4, bool), 0.5, negatives_repeat=repeat, seed=(1,))
        assert sorted(rows) == [0, 1, 2, 3]


def test_without_a_share_every_film_comes_once() -> None:
    assert sorted(epoch(None, 0)) == list(range(60))


def test_an_epoch_is_a_function_of_its_seed_and_differs_from_the_next() -> None:
    assert np.array_equal(epoch(0.5, 0, 1, 7), epoch(0.5, 0, 1, 7))
    drawn = {tuple(epoch(0.5, fold, part, number)) for fold in (0, 1) for part in (0, 1) for number in range(3)}
    assert len(drawn) == 12


@pytest.mark.parametrize("repeat", [False, True])
def test_positives_and_negatives_are_mixed(repeat: bool) -> None:
    places = [np.flatnonzero(POSITIVE[epoch(0.5, number, repeat=repeat)]).mean() for number in range(200)]
    assert np.mean(places) == pytest.approx(39 / 2, abs=1)
    assert min(places) < 18 < 21 < max(places)


def test_negatives_are_drawn_evenly() -> None:
    counts = np.zeros(60)
    for number in range(400):
        counts[epoch(0.8, number)] += 1  # 5 of 40 negatives each
    assert counts[~POSITIVE].min() > 25  # 50 on average
    assert counts[~POSITIVE].max() < 80
