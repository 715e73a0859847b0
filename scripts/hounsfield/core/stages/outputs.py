"""What an output folder was made from, and whether it is done: one record per folder, `output.json`.

A stage opens its folder with a `Provenance`. The record is written before the first file, and again, naming every file
with its digest, after the last: a folder has no record, is begun, or is done. The same provenance means go on, or
nothing to do; another one means that old and new would be mixed, so the stage says what differs and asks for
`--force`. What is needed only until the output is done lies below `unfinished/`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hounsfield.core.errors import StaleOutput
from hounsfield.core.logs import logger
from hounsfield.core.stages.ledger import LEDGER_FILE, Ledger
from hounsfield.core.stages.packages import version_of
from hounsfield.core.stages.records import RECORD as RECORD  # of each folder that is told of here
from hounsfield.core.stages.records import load_record
from hounsfield.core.stages.times import note_time
from hounsfield.core.storage.files import file_digest, json_values, locked, value_digest, write_json

UNFINISHED = "unfinished"
IDENTITY = ("stage", "settings", "files")  # what an output is; its inputs are followed by `upstream`
LINES_SHOWN = 20


@dataclass(frozen=True)
class Input:
    """One thing that an output was made from: its digest, and, where it is itself an output, which and from what."""

    sha256: str
    record: str | None = None  # path of its record below the work folder
    settings: dict[str, Any] = field(default_factory=dict)  # that shaped it, so that a change can be put in words


@dataclass(frozen=True)
class Provenance:
    """What an output depends on.

    stage: the name that the stage has everywhere. settings: the part of the configuration that shapes the output.
    inputs: by one name each. libraries: packages whose version may change the bytes.
    """

    stage: str
    settings: dict[str, Any]
    inputs: dict[str, Input]
    libraries: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The provenance as plain JSON values, as it reads back from a record."""
        values: dict[str, Any] = json_values(asdict(self))
        values["libraries"] = {name: version_of(name) for name in self.libraries}
        return values


class Processes(Protocol):
    """The processes of one run: `Devices`, or `ONE_PROCESS`."""

    @property
    def first(self) -> bool:
        """True in the one process that writes what all share."""

    def barrier(self) -> None:
        """Wait until every process is here."""


class _OneProcess:
    first = True

    def barrier(self) -> None:
        """There is nobody to wait for."""


ONE_PROCESS: Processes = _OneProcess()


@dataclass
class Output:
    """An output folder that this run holds."""

    folder: Path
    provenance: Provenance
    processes: Processes
    finished: bool
    facts: dict[str, Any]  # what the stage has noted beside the files; empty until it is finished
    opened: float = field(default_factory=time.monotonic)  # when

    @property
    def unfinished(self) -> Path:
        """Where files lie that are needed only until the output is done."""
        return self.folder / UNFINISHED

    def reopen(self) -> None:
        """Take back that the output is done: something of it is missing, and is made again."""
        if self.processes.first:
            write_json(self.folder / RECORD, self.provenance.as_json())
        self.finished = False
        self.processes.barrier()

    def finish(self, files: Iterable[str], *, learned: Ledger | None = None, facts: Mapping[str, Any] = {}) -> None:
        """Write the record that makes the output done, naming its files; then remove what is no longer needed.

        files: names below the folder. learned: the patients that the output has learnt from, written beside it.
        """
        if self.processes.first:
            names = list(files)
            if learned is not None:
                learned.write(self.folder / LEDGER_FILE)
                names.append(LEDGER_FILE)
            digests = {name: _file_entry(self.folder / name) for name in sorted(names)}
            record = {**self.provenance.as_json(), "files": digests, "facts": dict(facts)}
            write_json(self.folder / RECORD, record)
            _tidy(self.folder)
            note_time(self.folder, record_digest(record), time.monotonic() - self.opened)
        self.finished = True
        self.processes.barrier()


@contextmanager
def output(
    folder: Path,
    provenance: Provenance,
    *,
    force: bool,
    remedy: str,
    processes: Processes = ONE_PROCESS,
    permits: Callable[[], Iterable[str]] = tuple,
    extends: bool = False,
) -> Iterator[Output]:
    """Hold an output folder for all processes of this run.

    remedy: the command that makes the output anew, without `--force`. permits: gives the names of inputs that may
    differ from before, asked when the folder is held; the output is then made up to date. extends: with `force` the
    content stays, for a stage that has a record of each of its files.
    Raises StaleOutput, listing what differs, when the folder was made from something else and `force` is not given.
    """
    if not processes.first:
        processes.barrier()
        yield _opened(folder, provenance, processes)
        return
    with locked(folder):
        _claim(folder, provenance, force=force, remedy=remedy, permits=frozenset(permits()), extends=extends)
        processes.barrier()
        yield _opened(folder, provenance, processes)


def made_otherwise(folder: Path, provenance: Provenance) -> bool:
    """Whether a folder holds what was made, or begun, from something else."""
    record = load_record(folder)
    return record is not None and bool(_claim_differences(record, provenance.as_json(), frozenset()))


def to_replace(folder: Path, provenance: Provenance) -> bool:
    """Whether a folder holds what was made from something else, or whose bytes are not those of its record."""
    record = load_record(folder)
    if record is None or made_otherwise(folder, provenance):
        return record is not None
    files = record.get("files", {})
    return any(not (folder / name).is_file() or _file_entry(folder / name) != entry for name, entry in files.items())


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a finished output; None when there is none, or it was only begun."""
    record = load_record(folder)
    return record if record is not None and "files" in record else None


def maker(folder: Path) -> str | None:
    """The stage that has made, or begun, what a folder holds; None where none has."""
    return (load_record(folder) or {}).get("stage")


def record_digest(record: Mapping[str, Any]) -> str:
    """One digest of what an output is: the same stage, settings and files give the same digest anywhere."""
    return value_digest({name: record[name] for name in IDENTITY})


def files_whole(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """The files of a finished output that are missing or have another size; their content is checked by who reads."""
    return [
        name
        for name, entry in record["files"].items()
        if not (folder / name).is_file() or (folder / name).stat().st_size != entry["bytes"]
    ]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two provenances, a line each: stage and settings first, then inputs, digests last."""
    found = _changes(old.get("stage"), new.get("stage"), "stage") + _changes(old["settings"], new["settings"], "")
    digests = []
    for name in sorted(old["inputs"].keys() | new["inputs"].keys()):
        before, now = old["inputs"].get(name), new["inputs"].get(name)
        if before is None or now is None:
            found.append(f"{name}: {'not used then' if before is None else 'not used now'}")
        elif before["sha256"] != now["sha256"]:
            within = _changes(before.get("settings", {}), now.get("settings", {}), name)
            found += within
            if not within:
                digests.append(f"{name}: another content ({before['sha256'][:8]} -> {now['sha256'][:8]})")
    return found + digests


def _claim(
    folder: Path, provenance: Provenance, *, force: bool, remedy: str, permits: frozenset[str], extends: bool
) -> None:
    path, new, old = folder / RECORD, provenance.as_json(), load_record(folder)
    changes = [] if old is None else _claim_differences(old, new, permits)
    if changes and not force:
        fact = f"{folder} was made from something else (then -> now):\n"
        listing, other = _listing(changes), _changes((old or new)["settings"], new["settings"], "")
        raise StaleOutput(f"{fact}{listing}\nReplace it: {remedy} --force", fact + _listing(other) if other else "")
    same = old is not None and not changes and differences(old, new) == []
    if force:
        same = same and extends
        if old is not None and not extends:  # without a record, what is there is no stage's
            _empty(folder)
    if not same:
        write_json(path, new)
    elif old is not None and "files" in old:
        damaged = files_whole(folder, old)
        if damaged:
            logger.warning("%s: %s is missing or cut; it is made again", folder, ", ".join(damaged[:3]))
            write_json(path, new)
        else:
            _tidy(folder)


def _listing(changes: list[str]) -> str:
    return "\n".join(f"  {change}" for change in changes[:LINES_SHOWN])


def _claim_differences(old: Mapping[str, Any], new: Mapping[str, Any], permits: frozenset[str]) -> list[str]:
    changes = differences(*({**one, "inputs": _without(one["inputs"], permits)} for one in (old, new)))
    if "files" not in old:  # half of it was made by these versions
        changes += _changes(old.get("libraries", {}), new["libraries"], "version of ")
    return changes


def _without(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _opened(folder: Path, provenance: Provenance, processes: Processes) -> Output:
    record = read_record(folder)
    return Output(folder, provenance, processes, record is not None, {} if record is None else record["facts"])


def _file_entry(path: Path) -> dict[str, Any]:
    return {"sha256": file_digest(path), "bytes": path.stat().st_size}


def _tidy(folder: Path) -> None:
    """Remove what a finished output no longer needs, and what a killed run was just writing."""
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    for partial in folder.glob(".*.partial"):
        partial.unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    """Remove all but the lock, the record, and folders that hold outputs of their own.

    The record goes when it is overwritten: after a kill in between, what is left still has it.
    """
    for entry in folder.iterdir():
        if entry.name in (".lock", RECORD):
            continue
        if entry.is_dir() and not entry.is_symlink():
            if next(entry.rglob(RECORD), None) is None:
                shutil.rmtree(entry)
        else:
            entry.unlink()


def _changes(old: Any, new: Any, key: str) -> list[str]:
    """What differs between two JSON values, one `key: old -> new` per line."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name in sorted(old.keys() | new.keys()):
            joined = name if not key else f"{key}{name}" if key.endswith(" ") else f"{key}.{name}"
            found += _changes(old.get(name), new.get(name), joined)
        return found
    return [] if old == new else [f"{key}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
