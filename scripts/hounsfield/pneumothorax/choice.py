"""What stage 64 leaves: the chosen rules, the scores of the whole grid, and whom the choice has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.files import read_json, write_bytes, write_json
from hounsfield.pneumothorax.config import Triplet
from hounsfield.pneumothorax.thresholds import Choice

RULES, GRID, SURFACE = "rules.json", "grid.csv", "surface.png"
OF_TEST = "test"  # the part of a ledger that speaks of the test films


class ChosenRules(NamedTuple):
    """The rules that stage 64 chose."""

    everywhere: Triplet  # on all out-of-fold films: for test films; optimistic on those that it was chosen on
    by_fold: dict[int, Triplet]  # for a fold's films, on the other folds' (nested); empty where there is one fold

    def nested(self, folds: np.ndarray) -> list[Triplet] | None:
        """The rule of each film, by the fold that holds it out; None where there is one fold alone. folds: (M,)."""
        return [self.by_fold[int(fold)] for fold in folds] if self.by_fold else None


def write_choice(folder: Path, choice: Choice, rules: Sequence[Triplet]) -> None:
    """Write the chosen rules and the scores of the grid."""
    nested = None if np.isnan(choice.nested) else choice.nested
    write_json(
        folder / RULES,
        {
            "everywhere": asdict(rules[choice.everywhere]),
            "by_fold": {str(fold): asdict(rules[best]) for fold, best in choice.by_fold.items()},
            "dice_nested": nested,  # each fold by the rule that was chosen on the others
            "dice_optimistic": choice.optimistic,  # by the rule that was chosen on the same films
        },
    )
    table = pd.DataFrame([asdict(rule) for rule in rules])
    table["dice"] = choice.overall
    for fold, scores in zip(choice.folds, choice.scores, strict=True):
        table[f"dice_fold{fold}"] = scores
    write_bytes(folder / GRID, table.to_csv(index=False, float_format="%.8f", lineterminator="\n").encode())


def read_choice(found: Upstream) -> ChosenRules:
    """The rules that stage 64 chose."""
    content = read_json(found.file(RULES))
    by_fold = {int(fold): Triplet(**rule) for fold, rule in content["by_fold"].items()}
    return ChosenRules(Triplet(**content["everywhere"]), by_fold)


def choice_ledger(data_set: str, patients: np.ndarray, folds: np.ndarray, maps: Ledger) -> Ledger:
    """Whom each fold's rule, and that of the test films, has learnt from.

    patients, folds: (M,) of the out-of-fold films. maps: whom the networks behind the maps have seen, fold by fold. A
    fold's rule was chosen on maps of the other folds, whose networks have seen its patients: upstream.
    """
    parts: list[Ledger] = []
    for fold in np.unique(folds):
        part, others = fold_part(fold), folds != fold
        networks = [maps.rows[maps.rows["part"] == fold_part(other)] for other in np.unique(folds[others])]
        parts.append(Ledger.of(data_set, patients[others], part=part))
        parts.append(Ledger.joined(networks).upstream_of(part))
    parts += [Ledger.of(data_set, patients, part=OF_TEST), maps.upstream_of(OF_TEST)]
    return Ledger.joined(parts)
