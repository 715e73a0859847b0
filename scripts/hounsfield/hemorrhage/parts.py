"""What preparation has done so far, as small tables that are joined at the end.

Each finished chunk of files leaves one part: its rows and its rejects. A run that was killed, or one that finds new
files, prepares only the files that no part vouches for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.slices import FILE_SCHEMA
from hounsfield.core.archives import SourceFile
from hounsfield.core.images import image_path
from hounsfield.core.tables import read_table, write_table
from hounsfield.hemorrhage.preparation import Prepared

REJECT_SCHEMA = pa.schema(
    [("path", pa.string()), ("stamp", pa.int64()), ("reason", pa.string()), ("message", pa.string())]
)
# what may be otherwise the next time: these rejects do not vouch for their file
PASSING = {"unreadable_file", "decoder_died"}
PART = re.compile(r"(\d{7})\.(rows|rejected)\.parquet")


class Parts:
    """The parts of one data set, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        numbers = [int(match[1]) for path in folder.glob("*.parquet") if (match := PART.fullmatch(path.name))]
        self._next = max(numbers, default=-1) + 1

    def add(self, prepared: Prepared) -> None:
        """Write the result of one chunk."""
        if prepared.rows:
            path = self._folder / f"{self._next:07d}.rows.parquet"
            write_table(path, pd.DataFrame(prepared.rows, columns=FILE_SCHEMA.names), FILE_SCHEMA)
        if prepared.rejected:
            path = self._folder / f"{self._next:07d}.rejected.parquet"
            write_table(path, pd.DataFrame(prepared.rejected, columns=REJECT_SCHEMA.names), REJECT_SCHEMA)
        self._next += 1

    def join(self, files: Sequence[SourceFile]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows and rejects of those of `files` that are done, one row a file, sorted by path.

        Parts about files that have gone, or changed since, are passed over.
        """
        current = pd.DataFrame({"path": [f.label for f in files], "stamp": [f.stamp for f in files]})
        current["stamp"] = current["stamp"].astype("int64")
        return self._read("rows", FILE_SCHEMA, current), self._read("rejected", REJECT_SCHEMA, current)

    def missing(self, files: Sequence[SourceFile], images: Path) -> list[SourceFile]:
        """Those of `files` that no part vouches for, or whose image has gone from the folder `images`."""
        done: dict[str, int] = {}  # path -> stamp of the version that was prepared last
        for path in sorted(self._folder.glob("*.parquet")):
            if ".rows." in path.name:
                part = read_table(path, FILE_SCHEMA, columns=["path", "stamp", "image_id"])
                part = part[[image_path(images, image_id).exists() for image_id in part["image_id"]]]
            else:
                part = read_table(path, REJECT_SCHEMA, columns=["path", "stamp", "reason"])
                part = part[~part["reason"].isin(PASSING)]
            done.update(zip(part["path"], part["stamp"], strict=True))
        return [file for file in files if done.get(file.label) != file.stamp]

    def _read(self, kind: str, schema: pa.Schema, current: pd.DataFrame) -> pd.DataFrame:
        parts = [read_table(path, schema) for path in sorted(self._folder.glob(f"*.{kind}.parquet"))]
        if not parts:
            return schema.empty_table().to_pandas()
        joined = pd.concat(parts, ignore_index=True).merge(current, on=["path", "stamp"])
        return joined.drop_duplicates("path", keep="last").sort_values("path", ignore_index=True)
