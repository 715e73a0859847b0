"""Several sources at once: folders, archives and single files, in one list."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.intake.archives import Container, FileList, list_files
from hounsfield.core.intake.directories import is_directory_file, list_directory_file


def list_sources(sources: Sequence[Path]) -> FileList:
    """The files of several folders, archives and single files, sorted by path below the folder that holds all of these.

    A DICOMDIR stands for the files that it lists. What lies in another source, or is given twice, counts once; an
    archive is opened also where it lies in a folder that is given. Of one source alone, as `list_files`.
    """
    given = sorted({source.resolve() for source in sources})
    inside = {place for place in given if any(other in place.parents and other.is_dir() for other in given)}
    opened = {place for place in inside if place.is_file() and zipfile.is_zipfile(place)}
    places = [place for place in given if place not in inside or place in opened]
    if len(places) == 1:
        return _list(places[0])
    top = Path(os.path.commonpath([place.parent for place in places]))
    lists = [_list(place) for place in places]
    containers, numbers = [], []
    for number, (place, files) in enumerate(zip(places, lists, strict=True)):
        path = files.containers[0].path
        below = place if path == str(place) else place.parent  # of a single file, its folder
        containers.append(Container(path, "" if below == top else f"{below.relative_to(top)}/"))
        numbers.append(np.concatenate([files.numbers[:-1], np.full((1, len(files)), number)]))
    joined = FileList(containers, pa.concat_arrays([one.names for one in lists]), np.concatenate(numbers, axis=1))
    if opened:  # each is a file of its folder, too
        joined = joined.take(np.array([Path(one.container, one.name) not in opened for one in joined]))
    ordered = joined.take(pc.sort_indices(joined.labels).to_numpy())
    return ordered.take(~ordered.labels.to_pandas().duplicated().to_numpy())  # by itself, and listed by a DICOMDIR


def _list(source: Path) -> FileList:
    return list_directory_file(source) if is_directory_file(source) else list_files(source)
