"""Packed folders: the same bytes again, every damage found, and what fills the disk named."""

from __future__ import annotations

import json
import os
import resource
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tar_files import BLOCK, SOME, foreign, list_of, make_files, member, packed

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage import packed_folder
from hounsfield.core.storage.packed_folder import CHECKSUMS, pack, read_contents, unpack

NAMES = st.text("abcdefghij_-0123456789", min_size=1, max_size=150)


def end_mark(archive: Path) -> int:
    """Where the blocks of zeros begin, after the last file."""
    with tarfile.open(archive) as opened:
        last = opened.getmembers()[-1]
    return last.offset_data + -(-last.size // BLOCK) * BLOCK


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_same_files_give_the_same_bytes_whatever_their_age_and_mode(tmp_path: Path) -> None:
    first = packed(tmp_path).read_bytes()
    for path in (tmp_path / "source").rglob("*.*"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    pack(tmp_path / "again.tar", {name: tmp_path / "source" / name for name in SOME}, list_of(SOME))
    assert (tmp_path / "again.tar").read_bytes() == first


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(files=st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5))
def test_what_is_packed_is_unpacked(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("round")
    contents = unpack(packed(folder, files), folder / "out")
    assert contents == list_of(files)
    assert {path.name: path.read_bytes() for path in (folder / "out").rglob("*")} == files


def test_archive_begins_with_its_checksums_and_any_tar_program_reads_it(tmp_path: Path) -> None:
    with tarfile.open(packed(tmp_path)) as archive:
        assert archive.getnames() == [CHECKSUMS, *SOME]
        listing = json.load(archive.extractfile(CHECKSUMS))
        assert archive.extractfile("toy.yaml").read() == b"seed: 1\n"
    assert listing["facts"] == {"experiment": "toy"}
    assert [file["bytes"] for file in listing["files"]] == [len(content) for content in SOME.values()]


def test_only_the_head_is_read_for_the_contents(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    archive.write_bytes(archive.read_bytes()[:2048])
    assert read_contents(archive) == list_of(SOME)


def test_file_that_changed_since_it_was_listed_is_not_packed(tmp_path: Path) -> None:
    files = make_files(tmp_path, SOME)
    for changed in (b"seed: 2\n", b"seed: 1", b"seed: 1\n#"):
        files["toy.yaml"].write_bytes(changed)
        with pytest.raises(BadInput, match=r"toy\.yaml"):
            pack(tmp_path / "toy.tar", files, list_of(SOME))
    assert not list(tmp_path.glob("*.tar")) and not list(tmp_path.glob(".*"))


def test_every_flipped_bit_is_found_and_its_member_named(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    content = bytearray(archive.read_bytes())
    content[content.index(bytes(range(256))) + 700] ^= 1
    archive.write_bytes(content)
    with pytest.raises(BadInput, match=r"fold0/epoch1/identity\.npy .*checksum"):
        unpack(archive, tmp_path / "out")


def test_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    content, end = archive.read_bytes(), end_mark(archive)
    for size in {*range(0, end + 1, BLOCK), 1, 700, end - 700}:
        archive.write_bytes(content[:size])
        with pytest.raises(BadInput):
            unpack(archive, tmp_path / f"out{size}")


def test_files_that_are_not_listed_twice_there_or_missing_are_refused(tmp_path: Path) -> None:
    head = list_of(SOME).as_bytes()
    wrong = {
        r"toy\.tar: 'other\.csv'": [("other.csv", b"1")],
        r"toy\.tar: 'toy\.yaml'": [("toy.yaml", b"seed: 1\n"), ("toy.yaml", b"seed: 1\n")],
        r"toy\.tar: 2 .*missing": [("toy.yaml", b"seed: 1\n")],
    }
    for number, (message, files) in enumerate(wrong.items()):
        members = [(member(name), content) for name, content in [(CHECKSUMS, head), *files]]
        with pytest.raises(BadInput, match=message):
            unpack(foreign(tmp_path / "toy.tar", members), tmp_path / f"out{number}")


def test_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\.tar .*CHECKSUMS\.json"):
        read_contents(foreign(tmp_path / "a.tar", [(member("photo.jpg"), b"1")]))
    with pytest.raises(BadInput, match=r"b\.tar: .*CHECKSUMS\.json"):
        read_contents(foreign(tmp_path / "b.tar", [(member(CHECKSUMS), b'{"files": 3}')]))
    (tmp_path / "c.tar").write_bytes(b"PK\x03\x04" * 200)
    with pytest.raises(BadInput, match=r"[ac]\.tar"):
        read_contents(tmp_path / "c.tar")
    with pytest.raises(MissingInput, match=r"d\.tar"):
        read_contents(tmp_path / "d.tar")


def test_disk_without_room_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(tmp_path)
    usage = type("Usage", (), {"free": 5})
    monkeypatch.setattr(packed_folder.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(BadInput, match=r"toy\.tar: .*out"):
        unpack(archive, tmp_path / "out")


def test_disk_that_fills_up_is_named_with_the_file(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    message = r"identity\.npy .*File too large"
    with files_no_larger_than(1000), pytest.raises(BadInput, match=message):
        unpack(archive, tmp_path / "out")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 6 * BLOCK - 1), value=st.integers(0, 255))
def test_damaged_headers_never_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    archive = packed(folder)
    content = bytearray(archive.read_bytes())
    content[place % len(content)] = value
    archive.write_bytes(content)
    with suppress(BadInput):
        assert unpack(archive, folder / "out") == list_of(SOME)
    assert {path.name for path in folder.iterdir()} <= {"source", "toy.tar", "out"}
