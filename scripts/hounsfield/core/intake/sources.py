"""Several sources at once: folders, archives and single files, in one list."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hounsfield.core.errors import BadInput, MissingInput, UnusableSource
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.archives import FileList, Unread, joined, list_files, list_unread
from hounsfield.core.intake.directories import is_directory_file, list_directory_file
from hounsfield.core.intake.listings import packed_within
from hounsfield.core.logs import logger

SOURCE_UNUSABLE = "source_unusable"  # the reason of an archive or DICOMDIR that cannot be listed


def list_sources(sources: Sequence[Path]) -> FileList:
    """The files of several folders, archives and single files, sorted by path below the folder that holds all of these.

    A DICOMDIR stands for the files that it lists. What lies in another source, or is given twice, counts once; an
    archive is opened also where it lies in a folder that is given. Of one source alone, as `list_files`; among several,
    an archive or DICOMDIR that cannot be listed is a file that cannot be read, and costs itself alone.
    """
    given = sorted({source.resolve() for source in sources})
    inside = {place for place in given if any(other in place.parents and other.is_dir() for other in given)}
    opened = {place for place in inside if place.is_file() and _is_archive(place)}
    places = [place for place in given if place not in inside or place in opened]
    if len(places) == 1:
        return _list(places[0])
    top = Path(os.path.commonpath([place.parent for place in places]))
    found = joined([_placed(place, _list_or_name(place), top) for place in places])
    if opened:  # each is a file of its folder, too
        kept = [one.unread is not None or Path(one.container, one.name) not in opened for one in found]
        found = found.take(np.array(kept, bool))
    return found.take(~found.labels.to_pandas().duplicated().to_numpy())  # by itself, and listed by a DICOMDIR


def list_own(places: Sequence[Path]) -> FileList:
    """The files of one's own folders, archives and single files. Raises MissingInput where there is none."""
    files, named = list_sources(places), " ".join(map(one_line, places))
    if not files:
        raise MissingInput(f"{named}: 0 files; name folders that hold DICOM files, zip archives or DICOM files")
    if packed := packed_within(files, places):
        logger.warning("%s:%s", named, packed)
    return files


def list_whole(sources: Sequence[Path]) -> FileList:
    """As `list_sources`. Raises UnusableSource for any archive or DICOMDIR that cannot be listed, among several too."""
    files = list_sources(sources)
    refuse_unusable(files)
    return files


def refuse_unusable(files: FileList) -> None:
    """Raise UnusableSource for the first archive or DICOMDIR among several sources that cannot be listed."""
    for place, _, unread in files.containers:
        if unread is not None and unread.code == SOURCE_UNUSABLE:
            raise UnusableSource(f"{one_line(place)}: {unread.message}")


def _placed(place: Path, files: FileList, top: Path) -> FileList:
    """The files of a source, by their paths below `top`."""
    folder = Path(files.containers[0].path)
    below = place if folder == place else place.parent  # of a single file, its folder
    prefix = "" if below == top else f"{below.relative_to(top)}/"
    return FileList([one._replace(below=prefix) for one in files.containers], files.names, files.numbers)


def _list(source: Path) -> FileList:
    return list_directory_file(source) if is_directory_file(source) else list_files(source)


def _list_or_name(source: Path) -> FileList:
    """The files of a source; an archive or DICOMDIR of which none can be listed stands for itself."""
    try:
        if files := _list(source):
            return files
        if source.is_dir():
            logger.warning("%s: 0 files", one_line(source))
            return files
        raise MissingInput("holds no files; name another archive, or leave it out")
    except (BadInput, MissingInput, OSError) as error:
        if not source.is_file():
            raise
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        message = reason.replace(one_line(source), one_line(source.name))  # its place stands beside it
        return list_unread(source.parent, [source.name], Unread(SOURCE_UNUSABLE, message))


def _is_archive(file: Path) -> bool:
    return file.suffix.lower() == ".zip" or zipfile.is_zipfile(file)
