"""Archives for the tests of packed folders: packed ones, and those of other programs."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from hounsfield.core.storage.packed_folder import Contents, Listed, pack

BLOCK = 512
SOME = {"toy.yaml": b"seed: 1\n", "fold0/epoch1/identity.npy": bytes(range(256)) * 5, "empty.csv": b""}


def make_files(folder: Path, contents: dict[str, bytes]) -> dict[str, Path]:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def list_of(contents: dict[str, bytes]) -> Contents:
    files = {name: Listed(hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items()}
    return Contents({"experiment": "toy"}, files)


def packed(tmp_path: Path, contents: dict[str, bytes] = SOME, name: str = "toy.tar") -> Path:
    archive = tmp_path / name
    pack(archive, make_files(tmp_path / "source", contents), list_of(contents))
    return archive


def foreign(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> Path:
    mode = "w:gz" if path.suffix == ".gz" else "w"
    with tarfile.open(path, mode, format=form) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info
