"""Which of the folds a program works on."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import ArgumentParser

from hounsfield.core.errors import WrongUse
from hounsfield.stacking.config import StackingConfig


def add_fold_argument(parser: ArgumentParser) -> None:
    """Add `--fold`: one or several, done one after the other in one process."""
    parser.add_argument("--fold", type=int, nargs="+", default=None, help="these folds alone (default: folds)")


def chosen_folds(given: Sequence[int] | None, config: StackingConfig) -> list[int]:
    """The folds of the command line, the configuration's when it has none, ascending. Raises WrongUse for others."""
    folds = sorted(set(given or config.folds))
    strange = [fold for fold in folds if not 0 <= fold < config.data.fold_count]
    if strange:
        raise WrongUse(f"fold {strange[0]}: give 0 to {config.data.fold_count - 1}")
    return folds
