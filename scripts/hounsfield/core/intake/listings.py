"""What preparation asks of a list of files: one by its name, a digest of all, archives within, whether it may differ.

N files.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow.compute as pc

from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput, Refused, StaleOutput
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.archives import FILES_PER_BLOCK, FileList, SourceFile
from hounsfield.core.intake.journal import Journal
from hounsfield.core.stages.command import Command
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.storage.data_sets import data_folder
from hounsfield.core.storage.files import file_checksum

PACKED = r"(?i)(?:^|[/\\])[^/\\.][^/\\]*\.(?:zip|7z|rar|tar|gz|tgz|bz2|xz)$"


def files_digest(files: FileList) -> str:
    """Changes when a file comes, goes or changes; 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for block in files.blocks(FILES_PER_BLOCK):
        digest.update("".join(f"{file.label}\0{file.size}\0{file.stamp}\n" for file in block).encode())
    return digest.hexdigest()


def only_file(files: FileList, name: str) -> SourceFile | None:
    """The file of that name at any depth, None where there is none. Raises BadInput where there are several."""
    places = pc.ends_with(files.labels, name).to_numpy(zero_copy_only=False)
    found = [file for file in files.take(places) if PurePosixPath(file.name).name == name]
    if len(found) > 1:
        raise BadInput(f"{found[0].container}: {len(found)} files are called {name}; leave one")
    return found[0] if found else None


def content_of(file: SourceFile) -> bytes:
    """The bytes of a file that the whole data set depends on. Raises BadInput when it cannot be read."""
    try:
        return file.read()
    except Refused as refusal:
        raise BadInput(f"{one_line(file.container)}/{one_line(file.name)}: {refusal.message}") from refusal


def content_key(file: SourceFile) -> tuple[int, int]:
    """Size and CRC-32: equal for files of equal bytes, in a folder or in an archive, which knows their checksums."""
    return file.size, file.checksum if file.offset >= 0 else file_checksum(Path(file.container) / file.name)


def places_by_name(files: FileList) -> dict[str, int | None]:
    """The place of each file by its path, its name and its name's stem, composed; None where several have that name."""
    known: dict[str, int | None] = {}
    for place, file in enumerate(files):
        path = PurePosixPath(composed(file.path))
        for name in {str(path), path.name, path.stem}:
            known[name] = None if name in known else place
    return known


def composed(name: str) -> str:
    """A name in the one spelling by which names are compared: a Mac writes letters with marks as two signs."""
    return unicodedata.normalize("NFC", name)


def packed_within(files: FileList, given: Sequence[Path]) -> str:
    """A sentence on archives that are not opened: those that are given, of a kind that is not read, and those within a
    folder or an archive; "" where there are none. given: the sources of the files.
    """
    packed = files.take(pc.match_substring_regex(files.labels, PACKED).to_numpy(zero_copy_only=False))
    packed = packed.take(np.array([one.unread is None for one in packed], bool))
    named, said = {str(one.resolve()) for one in given if one.is_file()}, ""
    own = [one.label for one in packed if str(Path(one.container, one.name)) in named] if named else []
    if own:
        said = f" {len(own)} of what is given is an archive of a kind that is not read (zip is); the first: {own[0]!a}."
    if within := len(packed) - len(own):
        first = next(one.label for one in packed if one.label not in own)
        said += f" {count_of(within, 'archives within it are not opened')}; the first: {first!a}."
    return said and f"{said} Unpack them first; a zip in a folder may be named beside that instead"


def packed_file(name: str) -> str:
    """What is said in the list of refused files of an archive that is not opened; "" of other files."""
    if not re.search(PACKED, name):
        return ""
    if name.lower().endswith(".zip"):
        return "an archive within another source, which is not opened; unpack it first, or name it beside that"
    return "an archive of a kind that is not read (zip is); unpack it first"


def recorded_options(folder: Path, lists: Collection[str]) -> dict[str, Any]:
    """What the data set in `folder` was prepared from, as `given_options`; empty where that is not known."""
    return given_options(_recorded(folder), lists)


def given_options(words: Sequence[str], lists: Collection[str]) -> dict[str, Any]:
    """What the options that name a source say: one word each, and those named in `lists` a list of words."""
    found: dict[str, Any] = {}
    for word in words:
        if word.startswith("--"):
            option = word.removeprefix("--")
            found[option] = [] if option in lists else ""
        elif option in lists:
            found[option].append(word)
        else:
            found[option] = word
    return found


def _recorded(folder: Path) -> list[str]:
    record = read_record(folder)
    return [] if record is None else list(record["facts"].get("source", []))


def files_may_differ(
    files: FileList,
    options: Sequence[str],
    lists: Collection[str],
    journal: Journal,
    folder: Path,
    command: Command[Any],
    stage: str,
) -> list[str]:
    """The inputs of the data set in `folder` that may differ from before: the files, where some were added only.

    Files that were moved, copied or touched are compared by their bytes. options: what names the files on a command
    line, their place first; lists: as for `given_options`. stage: that prepares them. Raises StaleOutput where the data
    set was prepared from another place, whose files are not these.
    """
    journal.recognise(files)
    outdated = journal.outdated(files)
    before = _recorded(folder)
    then, now = given_options(before, lists), given_options(options, lists)
    same = [then.get(name) for name in lists] == [now.get(name) for name in lists]
    if not outdated or command.force or same or not before:
        return [] if outdated else ["files"]
    free = next(name for n in count(2) if not data_folder(command.work, name := f"{command.data_set}_{n}").exists())
    overrides = (word for word in command.overrides if word.partition("=")[0] not in ("--data_set", command.data_set))
    other = replace(command, variables={**command.variables, "DATA_SET": free}, overrides=tuple(overrides))
    raise StaleOutput(
        f"{folder} was prepared from {before[1]}; {options[1]} holds other files ({len(outdated)} of those that "
        f"are known are missing or have other bytes; the first: {outdated[0]!a}). Prepare them beside it: "
        f"{other.remedy(f'{stage}.sh', *options)}\nor replace what is there: "
        f"{command.remedy(f'{stage}.sh', *options)} --force"
    )
