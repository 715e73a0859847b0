"""A DICOMDIR, the list of files on a disc or in an exported folder (DICOM PS3.3, annex F; PS3.10, 8.6)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.multival import MultiValue

from hounsfield.core.dicom.refusals import foreign_code
from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.core.intake.archives import MAX_MEMBER_BYTES, FileList, list_some
from hounsfield.core.logs import logger

STORAGE = b"1.2.840.10008.1.3.10"  # Media Storage Directory Storage
META_BYTES = 512  # in which its class stands, where it is one


def is_directory_file(path: Path) -> bool:
    """Whether a file is a DICOMDIR, whatever it is called."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(META_BYTES)
    return start[128:132] == b"DICM" and STORAGE in start


def list_directory_file(path: Path) -> FileList:
    """The files that a DICOMDIR lists, as they would be listed among all of its folder.

    Names are found as they are written or in small letters, as some systems show those of a disc. What is missing is
    counted in the log. Raises BadInput where it cannot be read or names a file outside of its folder, and MissingInput
    where none of its files is there.
    """
    folder = path.resolve().parent
    names = sorted({_name_within(folder, path, components) for components in _listed(path)})
    spellings = [[name for name in (one, one.lower()) if (folder / name).is_file()] for one in names]
    found = sorted({there[0] for there in spellings if there})
    if not found:
        raise MissingInput(f"{path}: none of the {len(names)} files that it lists is there; name the folder instead")
    if missing := spellings.count([]):
        logger.warning("%s: %d of the %d files that it lists are missing", path, missing, len(names))
    return list_some(folder, found)


def _listed(path: Path) -> list[list[str]]:
    """The components of each listed file's path."""
    if path.stat().st_size > MAX_MEMBER_BYTES:
        raise BadInput(f"{path}: over the limit of {MAX_MEMBER_BYTES} bytes; name the folder instead")
    try:
        with foreign_code("reading the DICOMDIR"):
            records = dcmread(BytesIO(path.read_bytes())).DirectoryRecordSequence
            values = [record.get("ReferencedFileID") for record in records]
    except Refused as refused:
        raise BadInput(f"{path}: {refused.message}, or name the folder instead") from refused
    return [list(map(str, one)) if isinstance(one, MultiValue) else [str(one)] for one in values if one]


def _name_within(folder: Path, path: Path, components: list[str]) -> str:
    """The path below the folder. Raises BadInput where it leads out of it, be it by a link."""
    strange = any(one in ("", ".", "..") or "/" in one or "\\" in one or "\0" in one for one in components)
    name = "/".join(components)
    if strange or not (folder / name).resolve().is_relative_to(folder):
        raise BadInput(f"{path} names a file outside of its folder; refused. Name the folder instead")
    return name
