"""Folds of films: our own, which keep patients and copies together, and the published ones.

N films.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.rle_table import read_columns
from hounsfield.competitions.siim2019.tables import ALWAYS_TRAINED
from hounsfield.core.errors import WrongTable
from hounsfield.core.folds.rules import fold_by_rarest_label, refuse_empty_folds, refuse_rows

STAGE_2 = "stage_2"  # of the published table: a film that is always trained on


def groups_of(patients: pd.Series, digests: pd.Series) -> np.ndarray:
    """The group of each film, (N,): films of one patient, and copies of one picture, directly or through others.

    patients, digests: (N,).
    """
    group = pd.Series(np.arange(len(patients)))
    links = [patients.reset_index(drop=True), digests.reset_index(drop=True)]
    while True:  # as often as the longest chain of films that are linked by turns has links
        before = group
        for link in links:
            group = group.groupby(link).transform("min")
        if group.equals(before):
            return group.to_numpy()


def folds_by_size(films: pd.DataFrame, count: int, seed: int) -> np.ndarray:
    """A fold for each film, (N,) int8, balanced by label and size of the pneumothorax: each third of the masks apart.

    films: patient_id, pixel_digest, label, mask_share.
    """
    groups = pd.Series(groups_of(films["patient_id"], films["pixel_digest"]))
    positive = films["label"].to_numpy() == 1
    share = films["mask_share"].to_numpy()
    third = np.digitize(share, np.quantile(share[positive], [1 / 3, 2 / 3])) if positive.any() else np.zeros(len(films))
    return fold_by_rarest_label(groups, (third[:, None] == np.arange(3)) & positive[:, None], count, seed)


def published_folds(content: bytes, source: str, films: pd.DataFrame, count: int) -> np.ndarray:
    """The fold of each film by a published table, (N,) int8: ALWAYS_TRAINED for `stage_2`, and -1 where it has none.

    films: film_id, label. The table: fname (<film_id>.png), fold, exist_labels. Raises WrongTable where the table is
    none, names a fold that is not below `count`, or contradicts a label.
    """
    table = read_columns(content, source, "fname", "fold", "exist_labels").map(str.strip)
    table.index = pd.Index(table["fname"].map(lambda name: PurePosixPath(name).name.removesuffix(".png")))
    refuse_rows(source, "films occur twice", table.index[table.index.duplicated()])
    numbers = pd.to_numeric(table["fold"].replace(STAGE_2, str(ALWAYS_TRAINED)), errors="coerce")
    known = numbers.isin([ALWAYS_TRAINED, *range(count)])
    refuse_rows(source, f"folds are neither 0 to {count - 1} (prepare.fold_count) nor {STAGE_2}", table.index[~known])
    own = films.set_index("film_id")["label"]
    shared = own.index.intersection(table.index)
    contradicted = pd.to_numeric(table.loc[shared, "exist_labels"], errors="coerce") != own[shared]
    refuse_rows(source, "films have another label than their masks", shared[contradicted.to_numpy()])
    if not len(shared):
        raise WrongTable(f"{source}: none of its {len(table)} films is there; is it another data set's?")
    return numbers.reindex(own.index).fillna(-1).to_numpy(np.int8)


def check_folds(folds: np.ndarray, labels: np.ndarray, count: int) -> None:
    """Raise WrongTable where a fold would be validated without a positive film. folds, labels: (N,)."""
    positives = np.bincount(folds[(labels == 1) & (folds >= 0)], minlength=count)
    if not positives.any():
        raise WrongTable(
            f"none of {len(labels)} films with a label shows a pneumothorax, so nothing can be learnt or scored; add "
            "films with masks, or predict these with run_71_predict_study.sh"
        )
    refuse_empty_folds(positives, "film", "films", "pneumothorax")
