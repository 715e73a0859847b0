"""The choice of a rule: a whole grid of triplets, scored film by film from counts of pixels.

Every map is read once. For each threshold of the grid its pixels above are counted, in all and within the true mask;
the Dice of every triplet follows from these counts.

N films, T thresholds, G rules, F folds; S x S pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from hounsfield.competitions.siim2019.labels import dice_from_counts
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.pneumothorax.config import ThresholdsConfig, Triplet
from hounsfield.pneumothorax.rules import above, least_pixels


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

    folds: np.ndarray  # (F,) their numbers
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


def grid(config: ThresholdsConfig) -> list[Triplet]:
    """The rules among which is chosen, in an order: of equally good ones the first wins.

    Raises WrongUse where there is none, or where a threshold or an area is no share.
    """
    rules = list(config.triplets)
    if config.tops:
        gates = itertools.product(config.tops, config.areas or (0.0,))
        rules = [
            Triplet(top=top, area=area, bottom=bottom) for top, area in gates for bottom in (config.bottoms or (top,))
        ]
    for rule in rules:
        if not (0 <= rule.top < 1 and 0 <= rule.area <= 1 and 0 <= rule.bottom < 1):
            raise WrongUse(f"thresholds: {rule}: probabilities are from 0 to below 1, and an area is a share of 1")
    if not rules:
        raise WrongUse("thresholds: there is no rule to choose; give triplets, or tops with areas and bottoms")
    return list(dict.fromkeys(rules))


def threshold_settings(config: ThresholdsConfig) -> dict[str, Any]:
    """What a choice depends on, beside the maps and the films."""
    return {"rules": [asdict(rule) for rule in grid(config)]}


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


def choose(dice: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> Choice:
    """The best rules, of equal ones the first.

    dice: (N, G), as `dice_by_rule` gives it. labels: (N,), 1 where there is a pneumothorax. folds: (N,).
    Raises BadInput where rules would be chosen on negative films alone: there the best one sees nothing anywhere.
    """
    names = np.unique(folds)
    scores = np.stack([dice[folds == fold].mean(axis=0) for fold in names])
    counts = np.array([np.count_nonzero(folds == fold) for fold in names])
    by_fold = {}
    if len(names) > 1:
        by_fold = {int(fold): _best(dice, labels, folds != fold, f"outside fold {fold}") for fold in names}
    return Choice(names, scores, counts, _best(dice, labels, np.ones(len(dice), bool), "that is out-of-fold"), by_fold)


def _best(dice: np.ndarray, labels: np.ndarray, films: np.ndarray, where: str) -> int:
    if not labels[films].any():
        raise BadInput(
            f"no film {where} shows a pneumothorax: there is nothing to choose thresholds by; map more folds"
        )
    return int(dice[films].mean(axis=0).argmax())
