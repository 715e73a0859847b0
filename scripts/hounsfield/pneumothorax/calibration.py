"""What is learnt of the films' probabilities from out-of-fold films, and the table of these. M out-of-fold films.

A film's probability is that of the rule that was chosen on the other folds' films, or given: so neither rule nor
calibrator has seen the film that it is asked about. A film is a study of one slice, and both levels are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import LEVELS, SUFFIX, uncalibrated
from hounsfield.core.evaluation.findings import write_csv
from hounsfield.core.evaluation.out_of_fold_calibration import Learned, OutOfFold, learn_calibration
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream
from hounsfield.pneumothorax.config import Triplet
from hounsfield.pneumothorax.results import NAME
from hounsfield.pneumothorax.scores import EARLY_STOP, GIVEN_RULE, NESTED_RULE, OPTIMISTIC_RULE, FilmResults, Scored

UNSCORED = "the run holds no out-of-fold scores"
ANOTHER_RULE = "the run was calibrated by another rule than the one that answers"
SAME_FILMS = "the rule was chosen on the same films, and on no others"


def learn_films(
    scored: Scored, results: Mapping[str, FilmResults], given: Triplet | None, data_set: str, remedy: str
) -> Learned:
    """Calibrators and operating points of one experiment's films.

    results: of all its rules. given: the rule that the configuration gives. remedy: what makes the maps anew.
    """
    films, name = scored.films, scored.shown_rule(given)
    seen = films.maps.output.learned().roles_by_fold(films.patients, films.folds)
    values, labels = results[name].probability[:, np.newaxis], films.labels[:, np.newaxis].astype(np.float64)
    rows: OutOfFold | str = OutOfFold(values, labels, films.patients, seen, f"films ({name.replace('_', ' ')})")
    if name not in (NESTED_RULE, GIVEN_RULE):
        rows = SAME_FILMS
    levels, what = dict.fromkeys(LEVELS, rows), f"maps of {scored.experiment}"
    leak = EARLY_STOP if (seen == "early_stop").any() else ""
    return learn_calibration((NAME,), levels, data_set, what=what, remedy=remedy, leak=leak)


def learned_by_run(run: Upstream | None, rule: Triplet) -> Learned:
    """What a finished run has learnt, for films of another data set that a rule answers for."""
    if run is not None and run.record["facts"].get("rule") != asdict(rule):
        return Learned(uncalibrated(ANOTHER_RULE), {}, Ledger.nobody())
    return Learned.by_run(run, UNSCORED)


def write_out_of_fold(
    path: Path, scored: Scored, results: Mapping[str, FilmResults], shown: str, learned: Learned
) -> None:
    """Write a row per out-of-fold film: its probability, raw and calibrated, what the rule said, and its label.

    results: of all rules; shown: the name of the rule that answers. What the other rules that were not chosen on the
    same films make of each film stands behind, under their names.
    """
    films, found = scored.films, results[shown]
    others = {name: one for name, one in results.items() if name not in (shown, OPTIMISTIC_RULE)}
    rows = films.films.iloc[films.held_out]
    nested = learned.nested.get("study", np.full((len(rows), 1), np.nan))
    table = pd.DataFrame(
        {
            "film_id": rows["film_id"].to_numpy(),
            "path": rows["path"].to_numpy(),
            "probability": found.probability,
            f"probability{SUFFIX}": nested[:, 0],
            NAME: found.shown.astype(np.int8),
            "dice": found.dice,
            "calibration": learned.calibration.words("study"),
            f"label_{NAME}": films.labels,
            "fold": films.folds,
            **{f"probability_{name}": one.probability for name, one in others.items()},
            **{f"dice_{name}": one.dice for name, one in others.items()},
        }
    )
    write_csv(path, table)
