"""Several sources at once: folders, archives and single files, in one list."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.intake.archives import Container, FileList, list_files
from hounsfield.core.intake.directories import is_directory_file, list_directory_file


def list_sources(sources: Sequence[Path]) -> FileList:
    """The files of several folders, archives and single files, sorted by path below the folder that holds all of these.

    A DICOMDIR stands for the files that it lists. What lies in another source, or is given twice, counts once. Of one
    source alone, as `list_files`.
    """
    places = sorted({source.resolve() for source in sources})
    places = [place for place in places if not any(other in place.parents and other.is_dir() for other in places)]
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
    ordered = joined.take(pc.sort_indices(joined.labels).to_numpy())
    return ordered.take(~ordered.labels.to_pandas().duplicated().to_numpy())  # by itself, and listed by a DICOMDIR


def _list(source: Path) -> FileList:
    return list_directory_file(source) if is_directory_file(source) else list_files(source)
