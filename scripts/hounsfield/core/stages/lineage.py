"""What a run rests on, and which of its models have seen which patients, as tables on stdout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hounsfield.core.errors import MissingInput
from hounsfield.core.foreign_text import one_line
from hounsfield.core.stages.command import shown
from hounsfield.core.stages.ledger import LEDGER_FILE, ROLES, STUDY_LABELS_ON_SLICES, Ledger
from hounsfield.core.stages.outputs import RECORD, read_record


class Rested(NamedTuple):
    """One output that the run rests on."""

    place: str  # of its folder below the work folder
    depth: int  # 0: the run itself
    stage: str
    ledger: Ledger
    gone: bool  # it is no longer there
    note: str = ""  # on the labels behind it


def print_lineage(work: Path, run: Path, patient: str | None, example: Path) -> None:
    """Print the outputs that a run rests on, and the patients that each has seen; of one patient, who has seen it.

    run: its folder in preds or checkpoints, here or below the work folder. example: folder of a run, for the message
    where it holds none.
    """
    folder, models = run if run.exists() else work / run, work / "checkpoints"
    if read_record(folder) is None and folder.resolve().is_relative_to(models):
        folder = work / "preds" / folder.resolve().relative_to(models)
    if read_record(folder) is None:
        fact = f"{one_line(folder)} holds no finished output ({RECORD})"
        raise MissingInput(f"{fact}; name the folder of a run, such as {shown(example)}")
    found = list(rested_on(work, folder.resolve().relative_to(work).as_posix(), 0, set()))
    if patient:
        print_patient(found, patient)
    else:
        print_chain(found)
        print_models(found)


def rested_on(work: Path, place: str, depth: int, told: set[str]) -> Iterator[Rested]:
    """The output in the folder `place`, then all that it was made from; each once."""
    if place in told:
        return
    told.add(place)
    record = read_record(work / place)
    if record is None:
        yield Rested(place, depth, "", Ledger.nobody(), gone=True)
        return
    listed = LEDGER_FILE in record["files"]
    ledger = Ledger.read(work / place / LEDGER_FILE) if listed else Ledger.nobody()
    labels = record["settings"].get("labels") or record["facts"].get("labels") or {}
    note = f", {STUDY_LABELS_ON_SLICES}" if labels.get("given_for", "row") != "row" else ""
    yield Rested(place, depth, record["stage"], ledger, gone=False, note=note)
    for made_from in record["inputs"].values():
        if made_from.get("record"):
            yield from rested_on(work, str(Path(made_from["record"]).parent), depth + 1, told)


def print_chain(found: list[Rested]) -> None:
    """What rests on what, indented; each output once."""
    print("What rests on what (each once, below the first that was made from it):\n")
    for one in found:
        print(f"{'  ' * one.depth}{one.place}{'  (no longer there)' if one.gone else f'  by {one.stage}{one.note}'}")


def print_models(found: list[Rested]) -> None:
    """Which output has seen how many patients, and how; equal digests are equal patients."""
    print("\nPatients seen, by part of the output (role: how many, digest of the list):\n")
    for one in found:
        for part in one.ledger.rows["part"].unique():
            rows = one.ledger.rows[one.ledger.rows["part"] == part]
            roles = [
                f"{role}: {len(patients)} ({Ledger.of('', patients).digest()[:8]})"
                for role in ROLES
                if len(patients := rows.loc[rows["role"] == role, "patient_id"].unique())
            ]
            print(f"{one.place}{f' [{part!s}]' if part else ''}  {', '.join(roles)}")


def print_patient(found: list[Rested], patient: str) -> None:
    """Who has seen one patient, and how."""
    for one in found:
        for part in one.ledger.rows["part"].unique():
            role = one.ledger.roles_of(np.array([patient]), part)[0]
            print(f"{one.place}{f' [{part}]' if part else ''}  {role or 'not seen'}")
