"""The tables of answers of this system: of test slices by the second level as it is submitted, of others nested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hounsfield.competitions.rsna2019.answers import Predicted, learn_from, rule_of, write_results
from hounsfield.competitions.rsna2019.domain import outside
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream
from hounsfield.stacking.results import Results, ensemble_ledger
from hounsfield.stacking.scores import ensemble_by_design
from hounsfield.stacking.second_level import NESTED


def write_answers(
    folder: Path,
    results: Results,
    prepared: pd.DataFrame,
    data: Upstream,
    facts: Mapping[str, Any] | None,
    trained_on: str,
    remedy: str,
) -> tuple[list[str], Ledger]:
    """Write the tables of answers; returns their names, and whom the calibrators have seen.

    prepared: the slices of the data set `data`, in the same order as those of the results. facts: what the models were
    trained on, the data set `trained_on`. A second level has seen, through its features, all patients of its own data
    set; so no rule can be scored there, and nothing is calibrated. remedy: the commands that make the predictions anew.
    """
    held_out, is_test = results.held_out, results.is_test
    seen = ensemble_ledger(results).roles_by_fold(held_out.patients, held_out.folds)
    nested = results.second_level.mean(NESTED)[held_out.rows]
    found = Predicted(data, prepared, is_test, results.test_probabilities, held_out, nested, seen)
    leak = ensemble_by_design(results.slices).words
    rule = rule_of(results.label_set, found, leak)
    learned = learn_from(results.label_set, found, rule, what=f"second level {folder.name}", remedy=remedy, leak=leak)
    warnings, words = outside(prepared[is_test], facts), in_words(facts, trained_on)
    return write_results(folder, results.label_set, found, rule, words, warnings, learned), learned.ledger
