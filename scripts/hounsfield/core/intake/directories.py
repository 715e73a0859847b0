"""A DICOMDIR, the list of files on a disc or in an exported folder (DICOM PS3.3, annex F; PS3.10, 8.6)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.multival import MultiValue

from hounsfield.core.dicom.foreign_code import foreign_code
from hounsfield.core.errors import MissingInput, Refused, UnusableSource
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.archives import MAX_MEMBER_BYTES, FileList, Unread, joined, list_some, list_unread
from hounsfield.core.logs import logger

STORAGE = b"1.2.840.10008.1.3.10"  # Media Storage Directory Storage
META_BYTES = 512  # in which its class stands, where it is one
MISSING = Unread("listed_and_missing", "the DICOMDIR lists it, and it is not there; copy the whole disc")
OUTSIDE = "names a file outside of its folder; refused. Name the folder instead"


def is_directory_file(path: Path) -> bool:
    """Whether a file is a DICOMDIR, whatever it is called."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(META_BYTES)
    except OSError:  # it is refused where it is read, as any other file
        return False
    return start[128:132] == b"DICM" and STORAGE in start


def list_directory_file(path: Path) -> FileList:
    """The files that a DICOMDIR lists, as they would be listed among all of its folder.

    Names are found as they are written or in small letters, as some systems show those of a disc. What is missing is
    listed as a file that cannot be read. Raises UnusableSource where it cannot be read or names a file outside of its
    folder, and MissingInput where none of its files is there.
    """
    folder = path.resolve().parent
    listed = {tuple(one) for one in _listed(path)}
    if any(part in ("", ".", "..") or set(part) & set("/\\\0") for components in listed for part in components):
        raise UnusableSource(f"{one_line(path)} {OUTSIDE}")
    spellings = [("/".join(one), "/".join(one).lower()) for one in listed]
    there = [next((name for name in two if (folder / name).is_file()), "") for two in spellings]
    found = sorted(set(there) - {""})
    if not all((folder / name).resolve().is_relative_to(folder) for name in found):  # by a link
        raise UnusableSource(f"{one_line(path)} {OUTSIDE}")
    if not found:
        raise MissingInput(
            f"{one_line(path)}: none of the {len(listed)} files that it lists is there; name the folder instead"
        )
    lost = sorted(name for (name, _), known in zip(spellings, there, strict=True) if not known)
    if not lost:
        return list_some(folder, found)
    logger.warning("%s: %d of the %d files that it lists are missing", one_line(path), len(lost), len(listed))
    return joined([list_some(folder, found), list_unread(folder, lost, MISSING)])


def _listed(path: Path) -> list[list[str]]:
    """The components of each listed file's path."""
    if path.stat().st_size > MAX_MEMBER_BYTES:
        raise UnusableSource(f"{one_line(path)}: over the limit of {MAX_MEMBER_BYTES} bytes; name the folder instead")
    try:
        with foreign_code("reading the DICOMDIR"):
            records = dcmread(BytesIO(path.read_bytes())).DirectoryRecordSequence
            values = [record.get("ReferencedFileID") for record in records]
    except Refused as refused:
        raise UnusableSource(f"{one_line(path)}: {refused.message}, or name the folder instead") from refused
    return [list(map(str, one)) if isinstance(one, MultiValue) else [str(one)] for one in values if one]
