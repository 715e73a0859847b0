"""The choice of a rule: a whole grid of triplets, scored film by film from counts of pixels.

Every map is read once. For each threshold of the grid its pixels above are counted, in all and within the true mask;
the Dice of every triplet follows from these counts.

N films, T thresholds, G rules, F folds; S x S pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from hounsfield.competitions.siim2019.labels import dice_from_counts
from hounsfield.pneumothorax.config import Triplet
from hounsfield.pneumothorax.rules import above, doublet, least_pixels, simple


class FilmCounts(NamedTuple):
    """Numbers of pixels, film by film."""

    thresholds: tuple[float, ...]  # T, ascending
    predicted: np.ndarray  # (N, T) int64, above each threshold
    both: np.ndarray  # (N, T) int64, of these, in the true mask
    true: np.ndarray  # (N,) int64
    pixels: int  # of a map

    def at(self, threshold: float) -> int:
        """The column of a threshold."""
        return self.thresholds.index(threshold)


class Choice(NamedTuple):
    """The best rule of a grid, as chosen on all films, and for each fold as chosen on the other folds' films."""

    scores: np.ndarray  # (F, G) mean Dice of each fold's films by each rule
    films: np.ndarray  # (F,) films in each fold
    everywhere: int  # the best rule on all films
    by_fold: dict[int, int]  # the best rule on the other folds' films; a fold without others is not in it

    @property
    def overall(self) -> np.ndarray:
        """Mean Dice of all films by each rule, (G,)."""
        return np.average(self.scores, axis=0, weights=self.films)

    @property
    def optimistic(self) -> float:
        """Mean Dice of all films by the rule that was chosen on the same films."""
        return float(self.overall[self.everywhere])

    @property
    def nested(self) -> float:
        """Mean Dice of all films, each by the rule that was chosen on the other folds; NaN when there is one fold."""
        if not self.by_fold:
            return float("nan")
        own = [self.scores[row, rule] for row, rule in enumerate(self.by_fold.values())]
        return float(np.average(own, weights=self.films))


def triplets(gates: Iterable[tuple[float, float]], bottoms: Iterable[float]) -> list[Triplet]:
    """Every gate (top, area) with every bottom, in their order: of equal scores the first one wins."""
    pairs = itertools.product(gates, bottoms)
    return list(dict.fromkeys(Triplet(top=top, area=area, bottom=bottom) for (top, area), bottom in pairs))


def doublets(thresholds: Sequence[float], areas: Sequence[float]) -> list[Triplet]:
    """Every threshold with every area."""
    return [doublet(threshold, area) for threshold, area in itertools.product(thresholds, areas)]


def simples(thresholds: Sequence[float]) -> list[Triplet]:
    """Every threshold by itself."""
    return [simple(threshold) for threshold in thresholds]


def thresholds_of(rules: Iterable[Triplet]) -> tuple[float, ...]:
    """The thresholds at which pixels must be counted, ascending."""
    return tuple(sorted({value for rule in rules for value in (rule.top, rule.bottom)}))


def count_films(films: Iterable[tuple[np.ndarray, np.ndarray | None]], thresholds: tuple[float, ...]) -> FilmCounts:
    """Count the pixels of each film above each threshold.

    films: map and true mask of each, (S, S) bool; None where it is empty. They are read one after another.
    """
    predicted, both, true, pixels = [], [], [], 0
    for values, mask in films:
        pixels = values.size
        predicted.append([np.count_nonzero(above(values, threshold)) for threshold in thresholds])
        inside = values[:0] if mask is None else values[mask]
        both.append([np.count_nonzero(above(inside, threshold)) for threshold in thresholds])
        true.append(0 if mask is None else inside.size)
    above_all, within = (np.array(one, np.int64).reshape(len(true), len(thresholds)) for one in (predicted, both))
    return FilmCounts(thresholds, above_all, within, np.array(true, np.int64), pixels)


def dice_by_rule(counts: FilmCounts, rules: Sequence[Triplet]) -> np.ndarray:
    """The Dice of every film by every rule, (N, G) float64."""
    full = dice_from_counts(counts.both, counts.predicted, counts.true[:, np.newaxis])  # (N, T)
    empty = dice_from_counts(np.array(0), np.array(0), counts.true)  # (N,)
    found = np.empty((len(counts.true), len(rules)))
    for column, rule in enumerate(rules):
        shown = counts.predicted[:, counts.at(rule.top)] >= least_pixels(rule, counts.pixels)
        found[:, column] = np.where(shown, full[:, counts.at(rule.bottom)], empty)
    return found


def choose(dice: np.ndarray, folds: np.ndarray) -> Choice:
    """The best rules, of equal ones the first. dice: (N, G), as `dice_by_rule` gives it. folds: (N,)."""
    names = np.unique(folds)
    scores = np.stack([dice[folds == fold].mean(axis=0) for fold in names])
    counts = np.array([np.count_nonzero(folds == fold) for fold in names])
    by_fold = {}
    if len(names) > 1:
        by_fold = {int(fold): int(dice[folds != fold].mean(axis=0).argmax()) for fold in names}
    return Choice(scores, counts, int(dice.mean(axis=0).argmax()), by_fold)
