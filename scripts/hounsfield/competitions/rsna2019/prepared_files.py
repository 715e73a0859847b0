"""The DICOM files that a data set was prepared from, where a stage reads them again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.competitions.rsna2019.paths import ARCHIVE_NAME
from hounsfield.competitions.rsna2019.source import LISTS
from hounsfield.core.errors import MissingInput
from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.listings import given_options
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.data_sets import raw_archive


def prepared_source(work: Path, data: Upstream) -> list[Path]:
    """What a data set was prepared from; the archive's usual place where that has gone.

    Raises MissingInput where there is neither.
    """
    known = given_options(data.record["facts"]["source"], LISTS)
    usual = raw_archive(work, data.folder.name, ARCHIVE_NAME)
    sources = [Path(one) for one in known.get("images") or [known["archive"]]]
    gone = next((one for one in sources if not one.exists()), None)
    if gone is not None and not usual.exists():
        raise MissingInput(
            f"{gone} is not there any more, which {data.folder.name} was prepared from; put it back, or name where it "
            "lies now with --archive or --images, where a stage has them"
        )
    return sources if gone is None else [usual]


def find_files(wanted: pd.Index, listing: FileList, prepared: Path) -> FileList:
    """The files of some slices, in their order. Raises MissingInput, naming those that are not there.

    wanted: the paths of slices. listing: of what was prepared. prepared: the table that names the files, for the error.
    """
    places = pc.index_in(pa.array(wanted, pa.string()), value_set=listing.labels)
    absent = wanted[places.is_null().to_numpy(zero_copy_only=False)]
    if len(absent):
        raise MissingInput(
            f"{' '.join(one.path for one in listing.containers)}: {len(absent)} of the {len(wanted)} files that "
            f"{prepared} needs are not there; the first are {list(absent[:10])}. Name what was prepared, with "
            "--archive or --images"
        )
    return listing.take(places.to_numpy())
