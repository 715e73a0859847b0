"""The rows of this system's table of scores, and how what predicts each of them has seen the patients scored.

N slices, M of them held out, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.results import prior_predictions
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.out_of_fold import ByDesign
from hounsfield.core.evaluation.score_table import System
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.stacking.results import Results
from hounsfield.stacking.second_level import NESTED, SCORED_FOLD

SECOND_ORDER = ByDesign(
    "second order: classifiers behind the training features have seen the scored patients", ("upstream",)
)
STOPPED_BY_SCORED = ByDesign(f"early stopping on the scored fold; {SECOND_ORDER.words}", ("early_stop", "upstream"))


def scored_systems(experiment: str, results: Results, epochs: Sequence[int]) -> list[System]:
    """What is compared: prior, classifiers and their mean, each library, the second level; then as it was published.

    epochs: those that the classifiers' means are over.
    """
    first = list(_first_level(experiment, results, epochs))
    return [*first, *_second_level(experiment, results, base=len(first) - 1)]


def _first_level(experiment: str, results: Results, epochs: Sequence[int]) -> Iterator[System]:
    held_out, means = results.held_out, results.first_level
    of_fold = f"epochs {' '.join(map(str, epochs))} of the fold that holds the patient out"
    placed = results.slices[results.slices["fold"].notna()]  # slices of no fold are of all patients
    share = "share of positive slices in the other folds"
    seen = _seen(prior_ledger(placed, held_out), held_out)
    yield System("prior", "", prior_predictions(results.label_set, placed, held_out), share, ranks=False, seen=seen)
    for name, mean in means.networks.items():
        seen = _seen(results.first_ledgers[name], held_out)
        yield System(name, experiment, mean[held_out.rows], f"classifier, mean over {of_fold}", over=0, seen=seen)
    words = f"mean of {' and '.join(means.networks)}, {of_fold}"
    seen = _seen(Ledger.joined(results.first_ledgers.values()), held_out)
    yield System("cnn_ensemble", experiment, means.ensemble[held_out.rows], words, over=0, seen=seen)


def _second_level(experiment: str, results: Results, *, base: int) -> Iterator[System]:
    """The libraries, their mean, and their mean as published. base: the row that they are compared with."""
    held_out, second = results.held_out, results.second_level
    mark, learnt = every_patient(results.slices)

    def row(name: str, mean: np.ndarray, models: str, ledger: Ledger, by_design: ByDesign) -> System:
        leak, seen = of_every_patient(by_design, learnt), _seen(ledger, held_out)
        rows = mean[held_out.rows]
        return System(name + mark, experiment, rows, models + learnt, over=base, seen=seen, by_design=leak)

    honest = "early stopping on another fold (nested)"
    for one in second.stopped_by(NESTED):
        models = f"{one.booster} on cnn_ensemble along the study, {honest}"
        yield row(one.booster, second.probabilities[one.name], models, second.ledgers[one.name], SECOND_ORDER)
    libraries = f"mean of {' '.join(dict.fromkeys(one.booster for one in second.runs))}"
    yield row("second_level", second.mean(NESTED), f"{libraries}, {honest}", second.ledger(NESTED), SECOND_ORDER)
    published = f"{libraries}, early stopping on the fold that is scored, as published: optimistic"
    mean, ledger = second.mean(SCORED_FOLD), second.ledger(SCORED_FOLD)
    yield row("second_level_scored_fold", mean, published, ledger, STOPPED_BY_SCORED)


def ensemble_by_design(slices: pd.DataFrame) -> ByDesign:
    """How the models behind ensemble.parquet may have seen the patients whose held-out slices it holds."""
    return of_every_patient(SECOND_ORDER, every_patient(slices)[1])


def every_patient(slices: pd.DataFrame) -> tuple[str, str]:
    """What is added to the name and to the description of models that have learnt from slices of every patient.

    Those are labelled slices without brain when they are in no fold, as published. Empty where all are in folds.
    """
    count = int(((slices["split"] == "train") & slices["fold"].isna()).sum())
    if not count:
        return "", ""
    return "_every_patient", f"; {count} slices without brain, also of the patients scored, are learnt from"


def of_every_patient(by_design: ByDesign, learnt: str) -> ByDesign:
    """The same where slices of every patient are learnt from. learnt: as `every_patient` puts it."""
    return ByDesign(by_design.words + learnt, ("train", *by_design.roles)) if learnt else by_design


def prior_ledger(slices: pd.DataFrame, held_out: HeldOut) -> Ledger:
    """Whom the prior of each fold is counted from. slices: those that have a fold."""
    folds, patients = slices["fold"].to_numpy(), slices["patient_id"]
    parts = [Ledger.of("", patients[folds != fold], part=fold_part(fold)) for fold in np.unique(held_out.folds)]
    return Ledger.joined(parts)


def _seen(ledger: Ledger, held_out: HeldOut) -> np.ndarray:
    return ledger.roles_by_fold(held_out.patients, held_out.folds)
