"""Which patients an output has learnt from: directly, by early stopping, or through what it was made from.

The list lies beside the output (`learned.parquet`), and its digest in the output's record. It holds the data set's own
pseudonyms and nothing else of a patient. Scoring asks it, patient by patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.core.storage.files import value_digest
from hounsfield.core.storage.tables import read_table, write_table

Role = Literal["train", "early_stop", "upstream"]
ROLES: tuple[Role, ...] = ("train", "early_stop", "upstream")  # a patient in several counts in the first
LEDGER_FILE = "learned.parquet"
STUDY_LABELS_ON_SLICES = "study labels on slices"  # where each slice bears the label of its study or series
LEDGER_SCHEMA = pa.schema(
    [
        ("part", pa.string()),  # of an output that holds several models, such as one per fold; "" for all of it
        ("data_set", pa.string()),
        ("patient_id", pa.string()),
        ("role", pa.string()),  # one of ROLES
    ]
)


@dataclass(frozen=True)
class Ledger:
    """Rows of part, data set, patient and role, without repeats, sorted."""

    rows: pd.DataFrame

    @classmethod
    def of(cls, data_set: str, patients: Iterable[str], role: Role = "train", part: str = "") -> Ledger:
        """The patients that one part has seen in one role."""
        names = pd.unique(pd.Series(list(patients), dtype=str))
        return cls.joined([pd.DataFrame({"part": part, "data_set": data_set, "patient_id": names, "role": role})])

    @classmethod
    def nobody(cls) -> Ledger:
        """The ledger of what has learnt from no patient."""
        return cls.joined([])

    @classmethod
    def joined(cls, parts: Iterable[pd.DataFrame | Ledger]) -> Ledger:
        """All rows of several ledgers."""
        frames = [part.rows if isinstance(part, Ledger) else part for part in parts]
        rows = pd.concat([LEDGER_SCHEMA.empty_table().to_pandas(), *frames]).drop_duplicates()
        return cls(rows.sort_values(LEDGER_SCHEMA.names, ignore_index=True))

    def as_part(self, part: str) -> Ledger:
        """The same list, as that of one part of an output."""
        return Ledger.joined([self.rows.assign(part=part)])

    def upstream_of(self, part: str = "") -> Ledger:
        """The same patients, as seen by something that is made from this."""
        return Ledger.joined([self.rows.assign(part=part, role="upstream")])

    def roles_of(self, patients: np.ndarray, part: str = "") -> np.ndarray:
        """How each patient was seen by `part`: (N,) of "train", "early_stop", "upstream", or "" for not at all.

        patients: (N,) pseudonyms. The data set does not count: one patient is the same in two of them.
        """
        own = self.rows[self.rows["part"].isin(["", part])]
        found = np.full(len(patients), "", dtype=object)
        for role in reversed(ROLES):
            seen = own.loc[own["role"] == role, "patient_id"]
            found[np.isin(patients.astype(str), seen.to_numpy(str))] = role
        return found

    def roles_by_fold(self, patients: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """How each patient was seen by the part of its own fold, `fold_part`: (N,), as `roles_of`. folds: (N,)."""
        found = np.full(len(patients), "", dtype=object)
        for fold in np.unique(folds):
            own = folds == fold
            found[own] = self.roles_of(patients[own], fold_part(fold))
        return found

    def digest(self) -> str:
        """One digest of the list."""
        return value_digest(self.rows.to_numpy().tolist())

    def write(self, path: Path) -> None:
        """Write the list. The same patients give the same bytes."""
        write_table(path, self.rows, LEDGER_SCHEMA)

    @classmethod
    def read(cls, path: Path, *, remedy: str = "") -> Ledger:
        """Read the list. Raises MissingInput or BadInput, naming the file."""
        return cls(read_table(path, LEDGER_SCHEMA, remedy=remedy))


def fold_part(fold: int | str) -> str:
    """The part of an output that predicts the patients of one validation fold."""
    return f"fold{fold}"


def gravest(seen: Sequence[np.ndarray]) -> np.ndarray:
    """How each patient was seen by any of several models: the first of ROLES that one of them says, (N,)."""
    found = np.full(len(seen[0]), "", dtype=object)
    for role in reversed(ROLES):
        found[np.any([one == role for one in seen], axis=0)] = role
    return found
