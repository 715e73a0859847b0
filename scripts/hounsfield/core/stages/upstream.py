"""Are the inputs of a stage there, whole, and of one kind? All the way up, and not only one step.

Each record names the records that it was made from, with their digests. So a stage follows that chain through the work
folder: where something above was made anew since, everything below it is stale, and the stage says which and why. What
is no longer there (images beside imported embeddings, say) contradicts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hounsfield.core.errors import BadInput, MissingInput, StaleOutput
from hounsfield.core.logs import logger
from hounsfield.core.stages.ledger import LEDGER_FILE, Ledger
from hounsfield.core.stages.outputs import (
    RECORD,
    UNFINISHED,
    Input,
    differences,
    files_whole,
    read_record,
    record_digest,
)
from hounsfield.core.storage.files import file_digest, json_values, locked, read_json

LINES_SHOWN = 10
RemedyOf = Callable[..., str]  # the name of a stage, and arguments that it needs -> the command that runs it


@dataclass(frozen=True)
class Upstream:
    """A finished output that a stage reads."""

    folder: Path
    work: Path
    record: dict[str, Any]
    remedy: str  # the command that makes it

    def as_input(self) -> Input:
        """What a provenance says of it."""
        place = (self.folder / RECORD).relative_to(self.work).as_posix()
        return Input(record_digest(self.record), place, self.record["settings"])

    def file(self, name: str) -> Path:
        """The path of one of its files, after holding it against its digest. Raises BadInput naming it."""
        path = self.folder / name
        if name not in self.record["files"]:
            raise MissingInput(
                f"{path}: {self.folder / RECORD} names no such file; make it with: {self.remedy} --force"
            )
        if file_digest(path) != self.record["files"][name]["sha256"]:
            raise BadInput(f"{path} is not the file that was written; make it anew: {self.remedy} --force")
        return path

    def learned(self) -> Ledger:
        """The patients that it has learnt from; nobody where it has no list."""
        if LEDGER_FILE not in self.record["files"]:
            return Ledger.nobody()
        return Ledger.read(self.file(LEDGER_FILE), remedy=self.remedy)


def require(work: Path, folder: Path, stage: str, remedy_of: RemedyOf) -> Upstream:
    """A finished output of `stage`, whole, and not older than what it was made from.

    remedy_of: gives the command that runs a stage, for messages.
    Raises MissingInput or StaleOutput, naming the folders, what differs, and the commands in the order to run them.
    """
    record = read_record(folder)
    remedy = remedy_of(stage) if record is None else _remedy(record, remedy_of)
    if record is None:
        fact = "was begun and is not finished" if (folder / RECORD).exists() else "is missing"
        if not work.exists():
            fact = f"is missing: there is no folder {work} at all (is that what --work or WORK should say?)"
        raise MissingInput(f"{folder} {fact}; make it with: {remedy}")
    damaged = files_whole(folder, record)
    if damaged:
        raise MissingInput(f"{folder / damaged[0]} is missing or cut; make it with: {remedy}")
    stale = list(_stale(work, folder, record, {}))
    if stale:
        reasons = "\n".join(f"  {reason}" for _, found in stale for reason in found[:LINES_SHOWN])
        commands = " && ".join(dict.fromkeys(f"{_remedy(of, remedy_of)} --force" for of, _ in stale))
        raise StaleOutput(
            f"made from something else than there is now (then -> now):\n{reasons}\nMake anew: {commands}"
        )
    return Upstream(folder, work, record, remedy)


def check_made(
    found: Upstream,
    settings: Mapping[str, Any],
    *,
    settings_of: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    made_from: Mapping[str, Upstream] = MappingProxyType({}),
) -> None:
    """Hold an output against what its stage would make now.

    settings_of: the settings of those inputs by name that are to be compared, too. made_from: inputs by name that must
    be these. Raises StaleOutput, listing what differs and the command that makes the output anew.
    """
    inputs: dict[str, Any] = found.record["inputs"]
    then = {name: inputs.get(name, {}).get("settings") for name in settings_of}
    now = {name: asdict(one.as_input()) for name, one in made_from.items()}
    changes = differences(
        {"settings": {**found.record["settings"], **then}, "inputs": {name: inputs.get(name) for name in now}},
        {"settings": json_values({**settings, **settings_of}), "inputs": json_values(now)},
    )
    if changes:
        listing = "\n".join(f"  {change}" for change in changes[:LINES_SHOWN])
        if all(change.partition(":")[0].split(".")[-1] == "folds" for change in changes):  # nothing is wrong with it
            listing += "\nLeave out FOLDS and --fold, or name the same folds as then. To replace what there is:"
        else:
            listing += "\nMake it anew:"
        raise StaleOutput(
            f"{found.folder} was made from something else (then -> now):\n{listing} {found.remedy} --force"
        )


def dependents(work: Path, folder: Path) -> list[Path]:
    """The output folders below `work` that were made from the output in `folder`, directly or through others."""
    records = {path: _claims(path) for path in _records(work)}
    found = [folder / RECORD]
    for known in found:  # grows as it is walked
        place = known.relative_to(work).as_posix()
        found += [path for path, claimed in records.items() if path not in found and place in claimed]
    return [path.parent for path in found[1:]]


def _claims(path: Path) -> set[str]:
    """The records that an output, finished or begun, was made from; none where its own says nothing any more."""
    try:
        record = read_json(path)
        return {one.get("record") for one in record["inputs"].values()} - {None}
    except (BadInput, AttributeError, KeyError, TypeError):
        return set()


@contextmanager
def replacing(work: Path, folder: Path, *, what: str) -> Iterator[None]:
    """Say what becomes stale where an output that others were made from is replaced, or may not be."""
    before = read_record(folder)
    below = [] if before is None else dependents(work, folder)
    listing = "".join(f"\n  {place}" for place in below[:LINES_SHOWN])
    more = f"\n  and {len(below) - LINES_SHOWN} more" if len(below) > LINES_SHOWN else ""
    try:
        yield
    except StaleOutput as error:
        raise StaleOutput(
            f"{error}" + (f"\nThat makes stale what was made from {what}:{listing}{more}" if below else ""),
            error.settings,
        ) from None
    after = read_record(folder)
    if below and before is not None and after is not None and record_digest(before) != record_digest(after):
        logger.warning("stale now, since it was made from %s as it was before:%s%s", what, listing, more)


@contextmanager
def reading(*folders: Path) -> Iterator[None]:
    """Keep the outputs in `folders` from being replaced for as long as the context lasts; others may read them, too."""
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(locked(folder, shared=True))
        yield


def _stale(
    work: Path, folder: Path, record: dict[str, Any], known: dict[Path, bool]
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Records of outputs that no longer fit what they were made from, the first made first, each with its reasons.

    known: the folders that were looked at, and whether they are stale.
    """
    known[folder], reasons = False, []
    for name, made_from in record["inputs"].items():
        if not made_from.get("record"):
            continue
        above = (work / made_from["record"]).parent
        current = read_record(above)
        if current is None:
            if (above / RECORD).exists():
                reasons.append(f"{folder}: its {name} ({above}) was begun anew and is not finished")
            continue
        if above not in known:
            yield from _stale(work, above, current, known)
        if record_digest(current) != made_from["sha256"]:
            reasons += [f"{folder}: {change}" for change in _changes_of(name, made_from, current)]
        elif known[above]:
            reasons.append(f"{folder}: its {name} ({above}) is stale")
    known[folder] = bool(reasons)
    if reasons:
        yield record, reasons


def _remedy(record: dict[str, Any], remedy_of: RemedyOf) -> str:
    """The command that makes an output anew, with the `arguments` that its record says its stage needs, if any."""
    return remedy_of(record["stage"], *record["facts"].get("arguments", ()))


def _changes_of(name: str, made_from: dict[str, Any], current: dict[str, Any]) -> list[str]:
    now = {"sha256": record_digest(current), "settings": current["settings"]}
    then, now = ({"settings": {}, "inputs": {name: one}} for one in (made_from, now))
    return differences(then, now)


def _records(work: Path) -> Iterator[Path]:
    """All records below the work folder; the folders that images are spread over (two digits) are passed over."""
    for place, folders, files in os.walk(work):
        folders[:] = sorted(name for name in folders if len(name) != 2 and name != UNFINISHED)
        if RECORD in files:
            yield Path(place, RECORD)
