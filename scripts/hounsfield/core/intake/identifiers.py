"""The identifiers that headers hold, read again where they are needed: they are kept in memory and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from hounsfield.core.dicom.header import read_header
from hounsfield.core.errors import Refused
from hounsfield.core.intake.archives import SourceFile

IDENTIFIERS = ("patient_id", "study_uid", "series_uid", "sop_uid")


def read_identifiers(files: Iterable[SourceFile]) -> pd.DataFrame:
    """The identifiers of files that were read before, indexed by the files' labels; "" where a header has none.

    Files that cannot be read any more have no row.
    """
    rows = {}
    for file in files:
        try:
            header = read_header(file.read())
        except Refused:
            continue
        rows[file.label] = [header.text(name) for name in IDENTIFIERS]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(IDENTIFIERS), dtype=str)
