"""May predictions be called out-of-fold? The ledger says how what made them has seen each patient; here it decides.

A published recipe may leak by design: then the words that say how stand beside the score, and its ledger may show that
and nothing graver. M scored rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hounsfield.core.errors import BadInput


class ByDesign(NamedTuple):
    """How models may have seen the patients that they are scored on, because their recipe has it so."""

    words: str = ""  # for the table of scores; empty: not at all
    roles: tuple[str, ...] = ()  # of the ledger


UNSEEN = ByDesign()


def check_seen(what: str, patients: np.ndarray, seen: np.ndarray, by_design: ByDesign, remedy: str) -> None:
    """Refuse to score patients that what predicts them has seen, in another way than by design.

    what: the predictions, for the message. patients: (M,) pseudonyms; seen: (M,) roles, as a ledger gives them. remedy:
    the commands that make the predictions anew. Raises BadInput with the number of patients, the first of them, and how
    they were seen.
    """
    strange = (seen != "") & ~np.isin(seen.astype(str), by_design.roles)
    if not strange.any():
        return
    roles = ", ".join(f"{role}: {len(set(patients[strange & (seen == role)]))}" for role in sorted(set(seen[strange])))
    found = sorted(set(patients[strange]))
    raise BadInput(
        f"{what}: {len(found)} of {len(set(patients))} patients to be scored were seen by what predicts them "
        f"({roles}; the first: {found[0]}), so that is not out-of-fold. Make anew: {remedy}"
    )


def by_other_models(measured: Iterable[str], answering: Iterable[str]) -> str:
    """What is added to where a run was scored, if it now answers with other models than it was scored with; else "".

    measured, answering: the folds of both.
    """
    then, now = (" ".join(sorted(set(folds))) for folds in (measured, answering))
    fact = (
        f"thresholds, rates and calibration were measured with the models of folds {then}; here those of {now} answer"
    )
    return "" if then == now else f"; {fact}"
