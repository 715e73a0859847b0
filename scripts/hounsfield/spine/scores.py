"""The rows of this system's table of scores: the best constant prediction, each model, and their mean.

M out-of-fold studies; 8 names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import STUDY_LOSS
from hounsfield.competitions.rsna2022.submission import best_constant
from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.metrics import log_loss
from hounsfield.core.evaluation.out_of_fold import UNSEEN, ByDesign
from hounsfield.core.evaluation.score_table import System
from hounsfield.core.stages.ledger import gravest
from hounsfield.spine.study_run import SECOND_ORDER

METRIC = "study_loss"  # the column of the competition's loss
OVER_ROWS = "mean_over_rows"  # and of the same loss as its text says it: weighted, and divided by the number of rows
PRIOR, BAG = "prior", "bag"
# A constant of other studies could be beaten by chance, and without measure: where these lack a vertebra's fractures.
HINDSIGHT = ByDesign("chosen in hindsight: no constant is better")
SUFFIX = "_second_order"  # of the names of rows that leak so


def mean_over_rows(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The weighted loss of each study, divided by its rows of the submission and not by its weights: (M, 8) -> (M,)."""
    losses = log_loss(probabilities, labels, clip=STUDY_LOSS.clip)
    return np.asarray(np.nanmean(losses * STUDY_LOSS.weights(labels), axis=1))


def systems(
    models: Mapping[str, np.ndarray],
    seen: Mapping[str, np.ndarray],
    labels: np.ndarray,
    experiment: str,
) -> Iterator[System]:
    """The prior, each model and, last, the bag, which is their plain mean.

    models: out-of-fold probabilities by name, (M, 8) each. seen: by the same names, how what predicts a study has seen
    its patient, (M,). labels: (M, 8).
    """
    prior, over_rows = (np.tile(best_constant(labels, over_rows=one), (len(labels), 1)) for one in (False, True))
    yield System(
        PRIOR, "", prior, "best constant for the scored studies, of each loss its own", ranks=False,
        by_design=HINDSIGHT, measures={OVER_ROWS: mean_over_rows(over_rows, labels)},
    )  # fmt: skip
    bag = {BAG: np.mean(list(models.values()), axis=0)}
    for name, probabilities in {**models, **bag}.items():
        own = gravest(list(seen.values())) if name == BAG else seen[name]
        leaks = bool((own == "upstream").any())
        yield System(
            f"{name}{SUFFIX if leaks else ''}",
            experiment,
            probabilities,
            f"mean of {count_of(len(models), 'models')}"
            if name == BAG
            else "network of the fold that holds the patient out",
            over=0,
            seen=own,
            by_design=SECOND_ORDER if leaks else UNSEEN,
            measures={OVER_ROWS: mean_over_rows(probabilities, labels)},
        )


def printed_gains(scores: pd.DataFrame) -> str:
    """How much lower each system's loss is than that of the prior, a line each. scores: of `score_table`."""
    rows = scores[scores["gain_over"] != ""].to_dict("records")
    return "\n".join(
        f"{row['system']}: {METRIC.replace('_', ' ')} {'lower' if row['gain'] > 0 else 'higher'} than the "
        f"{row['gain_over']}'s by {abs(row['gain']):.4f} "
        f"(95 % interval of the gain {row['gain_low']:+.4f} to {row['gain_high']:+.4f})"
        for row in rows
    )
