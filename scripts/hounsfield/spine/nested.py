"""Which networks may answer for which studies, where scores are out of fold all the way up (`nested`).

A network of fold k is scored on fold k, and learns from boxes and pseudo-labels of the other folds. Those of fold j are
made by networks that have not seen j, but, as published, have seen k. Nested, they have seen neither of the two.
Networks for such pairs are trained beside those for single folds, and those of one pair serve both of its folds.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import ALL, Command
from hounsfield.spine.config import SpineConfig

Folds = tuple[int, ...]  # that are kept apart: none, the one that is scored, or a pair
LEAST = 3  # folds: of two, no study is left outside of a pair


def check_nested(config: SpineConfig) -> None:
    """Raise WrongUse where there are too few folds to keep two apart."""
    if config.nested and len(set(config.folds)) < LEAST:
        raise WrongUse(
            f"nested: true with folds {' '.join(map(str, config.folds))}: networks are kept apart from two folds, and "
            f"learn from the others, so {LEAST} folds are needed; prepare the data set and run each stage with "
            f"--prepare.fold_count {LEAST} --folds '{list(range(LEAST))}', or set these in the YAML"
        )


def name_of(folds: Iterable[int]) -> str:
    """The name of a network that has seen none of these folds: `3`, or `0+3` of a pair."""
    return "+".join(map(str, sorted(folds)))


def folds_of(name: str) -> Folds:
    """The folds that a network of this name has not seen; of `all` there are none."""
    return () if name == ALL else tuple(map(int, name.split("+")))


def in_words(without: Folds) -> str:
    """For messages, behind the name of a table."""
    return f" without {'folds' if len(without) > 1 else 'fold'} {name_of(without)}" if without else ""


def pairs_to_train(command: Command[SpineConfig]) -> list[str]:
    """With `nested`, the names of the pairs of folds whose first one is to be trained; together the folds have all."""
    return [name_of(pair) for pair in tables(command.config) if len(pair) > 1 and str(pair[0]) in command.folds]


def tables(config: SpineConfig) -> list[Folds]:
    """The tables of boxes, by the folds that they know nothing of, beside a study's own.

    The published one; with `nested` one for the networks of each fold, and one for the ratio networks of each pair.
    """
    folds = sorted(set(config.folds)) if config.nested else []
    return [without for count in range(3) for without in combinations(folds, count)]


def answers_for(fold: int, without: Folds) -> str:
    """The name of the networks that answer for the studies of a fold in a table."""
    return name_of({fold, *without} if len(without) < 2 else without)
