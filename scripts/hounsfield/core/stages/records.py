"""The record of an output folder as it is read: a damaged one is named, and never used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hounsfield.core.errors import BadInput
from hounsfield.core.logs import logger
from hounsfield.core.storage.files import read_json

RECORD = "output.json"


def load_record(folder: Path) -> dict[str, Any] | None:
    """The record of an output, finished or begun; None where there is none. Raises BadInput for a damaged one."""
    path = folder / RECORD
    if not path.exists():
        return None
    record = read_json(path)
    if not _is_record(record):
        raise BadInput(f"{path} is not the record of an output; remove {folder} and make it again")
    return dict(record)


def record_among_others(folder: Path) -> dict[str, Any] | None:
    """The record of a finished output, for who looks through many: a damaged one counts as none, and costs no other."""
    try:
        record = load_record(folder)
    except BadInput as error:
        logger.warning("%s; passed over", error)
        return None
    return record if record is not None and "files" in record else None


def forget_damaged(folder: Path) -> None:
    """Remove a record that cannot be read, of an output that is made again at no cost: it counts as not done."""
    try:
        load_record(folder)
    except BadInput:
        logger.warning("%s cannot be read; what is in its folder is made again", folder / RECORD)
        (folder / RECORD).unlink()


def _is_record(value: Any) -> bool:
    """Whether a value has the shape of a record: settings and inputs, and when it is finished also files and facts."""
    if not isinstance(value, dict) or not isinstance(value.get("stage"), str):
        return False
    of_all = (value.get("settings"), value.get("inputs"), value.get("libraries", {}))
    if not all(isinstance(one, dict) for one in of_all) or not all(map(_has_digest, value["inputs"].values())):
        return False
    if "files" not in value:  # only begun
        return True
    files, facts = value["files"], value.get("facts")
    if not isinstance(files, dict) or not isinstance(facts, dict):
        return False
    return all(_has_digest(one) and isinstance(one.get("bytes"), int) for one in files.values())


def _has_digest(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("sha256"), str)
