"""Patients that a run has learnt from, recognised among those of another data set, whose pseudonyms have another key.

The new files' identifiers are read from their headers, made pseudonyms by the key of the training set, and compared
with the run's ledger. Nothing of that is written: who holds that key may know its patients, and nobody else can
compare.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.intake.pseudonyms import Naming, read_key
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import read_record

SHOWN = 10


def naming_of(folder: Path, option: str, of_archives: Naming) -> Naming:
    """How the data set in a folder makes identifiers pseudonyms. Raises MissingInput where nothing tells it any more.

    option: that names the competition's archive where there is one, whose pseudonyms `of_archives` makes.
    """
    record = read_record(folder)
    source = [] if record is None else record["facts"].get("source", [])
    if source[:1] == [option]:
        return of_archives
    if (folder / "pseudonyms.key").exists():
        return Naming(read_key(folder / "pseudonyms.key"))
    raise MissingInput(
        f"{folder / 'pseudonyms.key'} is missing: without the key of the data set that the run was trained on its "
        "patients cannot be recognised among these, and a score could be one of seen patients. Put it there"
    )


def refuse_seen(
    slices: pd.DataFrame,
    identifiers: pd.DataFrame,
    learned: Ledger,
    naming: Naming,
    known: pd.DataFrame,
    what: str,
    table: Path,
) -> None:
    """Raise WrongUse where `what` has learnt from a patient or a study among the slices, with their pseudonyms here.

    slices: path and patient_id. identifiers: of the files, by path. naming: of the data set trained on; known: its
    patient_id and study_uid, which in a competition's archive may be no pseudonym. table: the slices', for the message.
    """
    patients = set(learned.rows["patient_id"])
    own = known.loc[known["patient_id"].isin(patients), "study_uid"].unique()
    studies = set(own) if naming.key else set(map(naming.pseudonym, own))
    seen = {
        path
        for path, patient, study in identifiers[["patient_id", "study_uid"]].itertuples()
        if naming.pseudonym(patient or study) in patients or (study and naming.pseudonym(study) in studies)
    }
    found = sorted(set(slices.loc[slices["path"].isin(seen), "patient_id"]))
    unread = len(set(slices["path"]) - set(identifiers.index))
    if unread:
        raise BadInput(f"{unread} files that were predicted cannot be read any more, so their patients are not known")
    if found:
        total, listing = slices["patient_id"].nunique(), ", ".join(found[:SHOWN])
        raise WrongUse(
            f"{what} has learnt from {len(found)} of the {total} patients: {listing}. A score on them would say "
            f"nothing about others; leave out their {len(seen)} files ({table} names them), and start again"
        )
