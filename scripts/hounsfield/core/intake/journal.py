"""What preparation has done so far, as small tables that are joined at the end.

Each finished chunk of files leaves one part: its rows and its rejects. A run that was killed, or one that finds new
files, prepares only the files that no part vouches for. Where two parts tell of one path, the later one is right.

Parts are numbered, and a full block of 64 numbers is merged into its last one: a competition is then 214 parts and not
13,657. The merged tables come into being under the last number, and only then are the others removed; killed in
between, what is left of those is older than what they were merged into, and says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.intake.archives import FileList, SourceFile
from hounsfield.core.intake.executors import SECONDS_A_FILE
from hounsfield.core.storage.image_files import images_exist
from hounsfield.core.storage.tables import read_arrow, write_arrow, write_table

REJECT_SCHEMA = pa.schema(
    [("path", pa.string()), ("stamp", pa.int64()), ("reason", pa.string()), ("message", pa.string())]
)
# what may be otherwise the next time: these rejects do not vouch for their file
PASSING = ["unreadable_file", "decoder_died", "not_as_prepared"]
ROWS, REJECTED = "rows", "rejected"
PART = re.compile(rf"(\d{{7}})\.({ROWS}|{REJECTED})\.parquet")
PARTS_A_BLOCK = 64


@dataclass
class Prepared:
    """What one chunk of files gave: a row for each file that could be used, and a reason for each that could not."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)


def refused_row(file: SourceFile, code: str, message: str) -> dict[str, Any]:
    """One row of the rejects table."""
    return {"path": file.label, "stamp": file.stamp, "reason": code, "message": message}


def refuse_deadly(file: SourceFile) -> Prepared:
    """The result for a file whose decoding ended the process or took longer than the limit."""
    message = f"its decoder died, or took more than {SECONDS_A_FILE:.0f} s"
    return Prepared(rejected=[refused_row(file, "decoder_died", message)])


class Part(NamedTuple):
    """One table; in order of number and kind, the later ones are right."""

    number: int
    kind: str
    path: Path


class Parts:
    """The parts of one data set, in `folder`."""

    def __init__(self, folder: Path, schema: pa.Schema, suffix: str) -> None:
        """schema: of the rows; it has `path`, `stamp` and `image_id`. suffix: of the images that rows vouch for."""
        self._folder, self._suffix = folder, suffix
        self._schemas = {ROWS: schema, REJECTED: REJECT_SCHEMA}
        for unfinished in folder.glob(".*.partial"):  # a run that was killed was writing it; the caller holds the lock
            unfinished.unlink()
        numbers = np.unique([part.number for part in self._parts()])
        self._next = int(numbers.max(initial=-1)) + 1
        for block in np.unique(numbers // PARTS_A_BLOCK):  # a merge that was cut short, or parts that never were merged
            if block < self._next // PARTS_A_BLOCK and (numbers // PARTS_A_BLOCK == block).sum() > 1:
                self._merge(int(block))

    def add(self, prepared: Prepared) -> None:
        """Write the result of one chunk."""
        for kind, rows in ((ROWS, prepared.rows), (REJECTED, prepared.rejected)):
            if rows:
                schema = self._schemas[kind]
                write_table(self._path(self._next, kind), pd.DataFrame(rows, columns=schema.names), schema)
        self._next += 1
        if self._next % PARTS_A_BLOCK == 0:
            self._merge(self._next // PARTS_A_BLOCK - 1)

    def join(self, files: FileList) -> tuple[pa.Table, pa.Table]:
        """Rows and rejects of those of `files` that are done, one row a file, sorted by path.

        Parts about files that have gone, or changed since, are passed over.
        """
        parts = self._parts()
        told = self._columns(parts, "path", "stamp")
        place = pc.index_in(told["path"].combine_chunks(), value_set=files.labels)
        stamps = np.append(files.stamps, -1)  # -1: for the files that have gone
        current = stamps[place.fill_null(-1).to_numpy()] == told["stamp"].to_numpy()
        current &= place.is_valid().to_numpy(zero_copy_only=False)
        rows, rejected = self._pick(parts, current & _last_of_each(told["path"]))
        return rows.sort_by("path"), rejected.sort_by("path")

    def missing(self, files: FileList, images: Path) -> FileList:
        """Those of `files` that no part vouches for, or whose image has gone from the folder `images`."""
        parts = self._parts()
        told = self._columns(parts, "path", "stamp")
        told = told.filter(pa.array(self._vouched(parts, images) & _last_of_each(told["path"])))
        place = pc.index_in(files.labels, value_set=told["path"].combine_chunks())
        stamps = np.append(told["stamp"].to_numpy(), -1)  # -1: for the files that have no place
        done = stamps[place.fill_null(-1).to_numpy()] == files.stamps
        return files.take(~(done & place.is_valid().to_numpy(zero_copy_only=False)))

    def _parts(self) -> list[Part]:
        found = ((path, PART.fullmatch(path.name)) for path in self._folder.glob("*.parquet"))
        return sorted(Part(int(match[1]), match[2], path) for path, match in found if match)

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{number:07d}.{kind}.parquet"

    def _merge(self, block: int) -> None:
        """Merge the parts of one full block into its last number; of each path, only the latest is kept."""
        last = (block + 1) * PARTS_A_BLOCK - 1
        parts = [part for part in self._parts() if part.number // PARTS_A_BLOCK == block]
        merged = self._pick(parts, _last_of_each(self._columns(parts, "path")["path"]))
        for kind, table in zip((ROWS, REJECTED), merged, strict=True):
            if len(table):
                write_arrow(self._path(last, kind), table)
        for part in parts:
            if part.number != last:
                part.path.unlink()

    def _columns(self, parts: list[Part], *names: str) -> pa.Table:
        """Some columns of all parts, one after another."""
        tables = [read_arrow(part.path, self._schemas[part.kind], columns=names) for part in parts]
        return pa.concat_tables([REJECT_SCHEMA.empty_table().select(names), *tables])

    def _pick(self, parts: list[Part], wanted: np.ndarray) -> tuple[pa.Table, pa.Table]:
        """The rows and the rejects that are wanted. wanted: (N,) bool, over the rows of all parts."""
        found = {kind: [schema.empty_table()] for kind, schema in self._schemas.items()}
        start = 0
        for part in parts:
            table = read_arrow(part.path, self._schemas[part.kind])
            found[part.kind].append(table.filter(pa.array(wanted[start : start + len(table)])))
            start += len(table)
        return pa.concat_tables(found[ROWS]), pa.concat_tables(found[REJECTED])

    def _vouched(self, parts: list[Part], images: Path) -> np.ndarray:
        """True for the rows whose image lies in the folder `images` and for the rejects that are final.

        (N,) bool, over the rows of all parts.
        """
        found, row_ids, rows = [], [], []
        start = 0
        for part in parts:
            name = "image_id" if part.kind == ROWS else "reason"
            column = read_arrow(part.path, self._schemas[part.kind], columns=[name])[name]
            if part.kind == ROWS:
                row_ids.append(column)
                rows.append(np.arange(start, start + len(column)))
                found.append(np.zeros(len(column), bool))
            else:
                found.append(~pc.is_in(column, pa.array(PASSING)).to_numpy())
            start += len(column)
        vouched = np.concatenate([np.zeros(0, bool), *found])
        if rows:
            vouched[np.concatenate(rows)] = images_exist(images, pa.chunked_array(row_ids).to_pylist(), self._suffix)
        return vouched


def _last_of_each(paths: pa.ChunkedArray) -> np.ndarray:
    """True where a path occurs for the last time, (N,) bool."""
    codes = paths.combine_chunks().dictionary_encode().indices.to_numpy()
    last = np.empty(codes.max(initial=-1) + 1, np.int64)
    last[codes] = np.arange(len(codes))  # of equal codes the last one stays
    found = np.zeros(len(codes), bool)
    found[last] = True
    return found
