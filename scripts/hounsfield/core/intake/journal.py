"""What an intake has done so far, as small tables that are joined at the end.

Each finished chunk of files leaves one entry: its rows and its refusals. A run that was killed, or one that finds new
files, prepares only files without a recorded result. Where two entries record one path, the later one counts.

A result counts for the bytes that it was made from, whose digest is recorded. A file's stamp (its place, size, times
and inode) spares reading it again; where the stamp is another one, the digest decides.

Entries are numbered, and a full block of 64 numbers is merged into its last one: 874,035 files are then 214 entries and
not 13,657. The merged tables are written under the last number, and only then are the others removed; after a kill in
between, what is left of those is older than the merged entry, and does not count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.errors import Refused
from hounsfield.core.intake.archives import FileList, SourceFile
from hounsfield.core.intake.executors import SECONDS_PER_FILE
from hounsfield.core.logs import logger, progress
from hounsfield.core.storage.files import content_number, value_digest
from hounsfield.core.storage.image_files import images_exist
from hounsfield.core.storage.tables import has_schema, read_arrow, write_arrow, write_table

REJECT_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("stamp", pa.int64()),
        ("content", pa.int64()),
        ("reason", pa.string()),
        ("message", pa.string()),
    ]
)
UNREAD = -1  # the content of a file whose bytes did not arrive; no content has this number
RETRYABLE = frozenset({"unreadable_file", "decoder_died"})  # reasons that may be gone the next time
ROWS, REJECTED = "rows", "rejected"
ENTRY = re.compile(rf"(\d{{7}})\.({ROWS}|{REJECTED})\.parquet")
ENTRIES_PER_BLOCK = 64
READS_AHEAD = 1024  # files that are waiting to be compared at one time


@dataclass
class Prepared:
    """What one chunk of files gave: a row for each file that could be used, and a refusal for each that could not."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)


def refusal(file: SourceFile, code: str, message: str, content: int = UNREAD) -> dict[str, Any]:
    """One row of REJECT_SCHEMA. content: the content_number of the bytes that were refused."""
    return {"path": file.label, "stamp": file.stamp, "content": content, "reason": code, "message": message}


def refusal_of_killed_file(file: SourceFile) -> Prepared:
    """The result for a file whose decoding ended the process or took longer than the limit."""
    message = f"its decoder died, or took more than {SECONDS_PER_FILE:.0f} s"
    return Prepared(rejected=[refusal(file, "decoder_died", message)])


class Entry(NamedTuple):
    """One table; in order of number and kind, the later ones count."""

    number: int
    kind: str
    path: Path


class Journal:
    """The entries of one data set."""

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        images: Path,
        suffix: str,
        *,
        settings: Mapping[str, Any] = MappingProxyType({}),
        retryable: Collection[str] = (),
    ) -> None:
        """Open the journal in `folder`, which the caller has locked.

        schema: of the rows; it has `path`, `stamp`, `content` and `image_id`. images, suffix: the folder of the
        prepared images and the end of their names; a row counts while its image is there. settings: what files are
        prepared with; what was recorded under others does not count. retryable: reasons beside RETRYABLE to prepare a
        file again.
        """
        self._salt = int(value_digest(dict(settings))[:15], 16)  # makes a stamp and a content those of settings, too
        self._folder, self.images, self.suffix = folder, images, suffix
        self._schemas = {ROWS: schema, REJECTED: REJECT_SCHEMA}
        self._retryable = pa.array(sorted({*RETRYABLE, *retryable}))
        for unfinished in folder.glob(".*.partial"):  # a run was killed while it wrote this
            unfinished.unlink()
        self._drop_entries_of_other_versions()
        numbers = np.unique([entry.number for entry in self._entries()])
        self._next = int(numbers.max(initial=-1)) + 1
        for block in np.unique(numbers // ENTRIES_PER_BLOCK):  # a merge that was cut short, or was never begun
            if block < self._next // ENTRIES_PER_BLOCK and (numbers // ENTRIES_PER_BLOCK == block).sum() > 1:
                self._merge(int(block))

    def add(self, prepared: Prepared) -> None:
        """Write the result of one chunk."""
        for kind, rows in ((ROWS, prepared.rows), (REJECTED, prepared.rejected)):
            if rows:
                schema = self._schemas[kind]
                table = pd.DataFrame(rows, columns=schema.names)
                table[["stamp", "content"]] ^= self._salt
                write_table(self._path(self._next, kind), table, schema)
        self._next += 1
        if self._next % ENTRIES_PER_BLOCK == 0:
            self._merge(self._next // ENTRIES_PER_BLOCK - 1)

    def recognise(self, files: FileList) -> int:
        """Let results count again whose files were touched, moved or copied and still hold the same bytes.

        Such files are read once. Returns how many results now count that did not.
        """
        entries = self._entries()
        recorded = self._columns(entries, "path", "stamp", "content")
        last = _last_of_each(recorded["path"])
        latest = recorded.filter(pa.array(last))
        places = pc.index_in(files.labels, value_set=latest["path"])
        stamps = np.append(latest["stamp"].to_numpy(), UNREAD)[places.fill_null(-1).to_numpy()]
        moved = places.is_valid().to_numpy(zero_copy_only=False) & (stamps != self._stamps(files))
        suspects = files.take(moved)
        if not suspects:
            return 0
        logger.info("%d files were moved or touched since they were prepared; their bytes are compared", len(suspects))
        then = latest["content"].to_numpy()[places.filter(pa.array(moved)).to_numpy()]
        same = suspects.take(_contents(suspects) == then ^ self._salt)
        wanted = last & pc.is_in(recorded["path"], same.labels).to_numpy()
        for kind, table in zip((ROWS, REJECTED), self._pick(entries, wanted), strict=True):
            if len(table):
                now = self._stamps(same)[pc.index_in(table["path"], value_set=same.labels).to_numpy()]
                column = table.schema.get_field_index("stamp")
                write_arrow(self._path(self._next, kind), table.set_column(column, table.field(column), pa.array(now)))
        self._next += 1
        return len(same)

    def join(self, files: FileList) -> tuple[pa.Table, pa.Table]:
        """Rows and refusals of those of `files` that are done, one row per file, sorted by path.

        What was recorded of files that have gone, or changed since, is left out.
        """
        entries = self._entries()
        recorded = self._columns(entries, "path", "stamp")
        current = _known(recorded["path"], recorded["stamp"].to_numpy(), files.labels, self._stamps(files))
        rows, rejected = self._pick(entries, current & _last_of_each(recorded["path"]))
        return rows.sort_by("path"), rejected.sort_by("path")

    def unrecorded(self, files: FileList, *, images: bool = True) -> FileList:
        """Those of `files` without a recorded result, or whose image is no longer there.

        images: False where images are needed for a while only, so that a result counts without its own.
        """
        recorded = self._columns(self._entries(), "path", "stamp", "image_id", "reason")
        there = self._has_image(recorded["image_id"]) if images else np.ones(len(recorded), bool)
        counts = there & ~pc.is_in(recorded["reason"], self._retryable).to_numpy()
        recorded = recorded.filter(pa.array(counts & _last_of_each(recorded["path"])))
        return files.take(~_known(files.labels, self._stamps(files), recorded["path"], recorded["stamp"].to_numpy()))

    def outdated(self, files: FileList) -> list[str]:
        """Paths with a row whose file has gone from `files`, changed, or was prepared otherwise; sorted.

        A refused file may go or change: no table holds anything of it.
        """
        recorded, outdated = self._outdated(files)
        used = recorded["image_id"].is_valid().to_numpy()
        return sorted(recorded["path"].filter(pa.array(outdated & used)).to_pylist())

    def forget_outdated(self, files: FileList) -> None:
        """Keep the results of `files` alone. What a kill in between leaves is outdated still."""
        if not self._outdated(files)[1].any():
            return
        entries, kept = self._entries(), self.join(files)
        for kind, table in zip((ROWS, REJECTED), kept, strict=True):
            if len(table):
                write_arrow(self._path(self._next, kind), table)
        for entry in entries:
            entry.path.unlink()
        self._next += 1

    def _outdated(self, files: FileList) -> tuple[pa.Table, np.ndarray]:
        """The latest result of every path, and where its file is not what it was made from, (N,) bool."""
        recorded = self._columns(self._entries(), "path", "stamp", "image_id")
        recorded = recorded.filter(pa.array(_last_of_each(recorded["path"])))
        known = _known(recorded["path"], recorded["stamp"].to_numpy(), files.labels, self._stamps(files))
        return recorded, ~known

    def _drop_entries_of_other_versions(self) -> None:
        """Remove what was recorded with other columns than this version's: those files are prepared again."""
        other = [entry for entry in self._entries() if not has_schema(entry.path, self._schemas[entry.kind])]
        for entry in other:
            entry.path.unlink()
        if other:
            logger.warning(
                "%s: recorded by another version of this program; its files are prepared again", self._folder
            )

    def _stamps(self, files: FileList) -> np.ndarray:
        return np.asarray(files.stamps) ^ self._salt

    def _entries(self) -> list[Entry]:
        found = ((path, ENTRY.fullmatch(path.name)) for path in self._folder.glob("*.parquet"))
        return sorted(Entry(int(match[1]), match[2], path) for path, match in found if match)

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{number:07d}.{kind}.parquet"

    def _merge(self, block: int) -> None:
        """Merge the entries of one full block into its last number; of each path, only the latest is kept."""
        last = (block + 1) * ENTRIES_PER_BLOCK - 1
        entries = [entry for entry in self._entries() if entry.number // ENTRIES_PER_BLOCK == block]
        merged = self._pick(entries, _last_of_each(self._columns(entries, "path")["path"]))
        for kind, table in zip((ROWS, REJECTED), merged, strict=True):
            if len(table):
                write_arrow(self._path(last, kind), table)
        for entry in entries:
            if entry.number != last:
                entry.path.unlink()

    def _columns(self, entries: list[Entry], *names: str) -> pa.Table:
        """Some columns of all entries, one after another; null where a kind of entry does not have a column."""
        tables = [pa.unify_schemas(list(self._schemas.values())).empty_table().select(names)]
        for entry in entries:
            schema = self._schemas[entry.kind]
            tables.append(read_arrow(entry.path, schema, columns=[name for name in names if name in schema.names]))
        return pa.concat_tables(tables, promote_options="default")

    def _pick(self, entries: list[Entry], wanted: np.ndarray) -> tuple[pa.Table, pa.Table]:
        """The rows and the refusals that are wanted. wanted: (N,) bool, over the rows of all entries."""
        found = {kind: [schema.empty_table()] for kind, schema in self._schemas.items()}
        start = 0
        for entry in entries:
            table = read_arrow(entry.path, self._schemas[entry.kind])
            found[entry.kind].append(table.filter(pa.array(wanted[start : start + len(table)])))
            start += len(table)
        return pa.concat_tables(found[ROWS]), pa.concat_tables(found[REJECTED])

    def _has_image(self, image_ids: pa.ChunkedArray) -> np.ndarray:
        """False where an image should be there and is not, (N,) bool. image_ids: (N,) text, null for refused files."""
        found = image_ids.is_null().to_numpy()
        found[~found] = images_exist(self.images, image_ids.drop_null().to_pylist(), self.suffix)
        return found


def _contents(files: FileList) -> np.ndarray:
    """The content_number of every file, (N,) int64; UNREAD for one that cannot be read."""
    numbers = np.full(len(files), UNREAD)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:  # reading, inflating and hashing run in parallel
        found = chain.from_iterable(threads.map(_content, block) for block in files.blocks(READS_AHEAD))
        for place, number in enumerate(progress(found, total=len(files), unit="file", label="compare")):
            numbers[place] = number
    return numbers


def _content(file: SourceFile) -> int:
    try:
        return content_number(file.read())
    except Refused:
        return UNREAD


def _known(
    paths: pa.Array | pa.ChunkedArray,
    stamps: np.ndarray,
    known_paths: pa.Array | pa.ChunkedArray,
    known_stamps: np.ndarray,
) -> np.ndarray:
    """True where a path is among the known ones and has the same stamp there, (N,) bool."""
    places = pc.index_in(paths, value_set=known_paths)
    same = np.append(known_stamps, -1)[places.fill_null(-1).to_numpy()] == stamps  # -1: for paths that are not known
    return same & places.is_valid().to_numpy(zero_copy_only=False)


def _last_of_each(paths: pa.ChunkedArray) -> np.ndarray:
    """True where a path occurs for the last time, (N,) bool."""
    codes = paths.combine_chunks().dictionary_encode().indices.to_numpy()
    last = np.empty(codes.max(initial=-1) + 1, np.int64)
    last[codes] = np.arange(len(codes))  # of equal codes the last one stays
    found = np.zeros(len(codes), bool)
    found[last] = True
    return found
