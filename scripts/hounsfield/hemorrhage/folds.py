"""Which fold a program works on: a number, or `all` for the single model that is trained on everything."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import ArgumentParser

from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.folds import ALL
from hounsfield.hemorrhage.config import HemorrhageConfig


def add_fold_argument(parser: ArgumentParser) -> None:
    """Add `--fold`: one or several, done one after the other in one process."""
    parser.add_argument("--fold", nargs="+", default=["0"], help="folds held out, or 'all' to hold out nothing")


def check_folds(folds: Sequence[str], config: HemorrhageConfig) -> list[str]:
    """Return `folds` if the prepared data have them. Raises WrongUse otherwise."""
    for fold in folds:
        if fold != ALL and not (fold.isdecimal() and int(fold) < config.prepare.fold_count):
            raise WrongUse(f"--fold {fold}: give 0 to {config.prepare.fold_count - 1}, or {ALL}")
    return list(folds)
