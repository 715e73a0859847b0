from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from hounsfield.core.archives import list_files
from hounsfield.core.errors import BadInput, MissingInput, Refused


def make_zip(path: Path, method: int) -> dict[str, bytes]:
    contents = {f"top/images/{n}.dcm": bytes([n]) * (1000 + n) for n in range(5)}
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("top")
        for name, content in contents.items():
            archive.writestr(name, content)
    return contents


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_in_place(tmp_path: Path, method: int) -> None:
    contents = make_zip(tmp_path / "a.zip", method)
    assert {file.name: file.read() for file in list_files(tmp_path / "a.zip")} == contents
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_a_method_that_is_not_read_costs_the_file_alone(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_BZIP2)
    with pytest.raises(Refused, match="compression method 12 is not read"):
        list_files(tmp_path / "a.zip")[0].read()


def test_a_member_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_STORED)
    member = list_files(tmp_path / "a.zip")[2]
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[member.offset + 200] ^= 4
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(Refused, match="do not match the archive's size and checksum"):
        member.read()


def test_a_member_that_inflates_beyond_its_declared_size_is_stopped_there(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", b"\0" * 50_000_000)
    content = path.read_bytes().replace((50_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(Refused, match="1001 bytes do not match"):
        list_files(path)[0].read()


def test_a_member_larger_than_any_slice_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large.dcm", b"\0" * (300 * 2**20))
    with pytest.raises(Refused, match="over the limit"):
        list_files(path)[0].read()


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "overlap.zip"
    make_zip(path, zipfile.ZIP_STORED)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        first, second = archive.infolist()[1:3]
    directory = content.rindex(b"PK\x05\x06")
    entry = content.index(second.filename.encode(), second.header_offset + 100) - 46
    assert content[entry : entry + 4] == b"PK\x01\x02"
    assert entry < directory
    moved = content[: entry + 42] + (first.header_offset + 10).to_bytes(4, "little") + content[entry + 46 :]
    path.write_bytes(moved)
    with pytest.raises(BadInput, match="its members overlap"):
        list_files(path)


def test_a_cut_archive_is_named(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_STORED)
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-40])
    with pytest.raises(BadInput, match=r"a\.zip is not a whole zip archive"):
        list_files(tmp_path / "a.zip")


def test_folders_of_any_depth_are_listed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    inside = tmp_path / "inside"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "I10").write_bytes(b"one")
    (inside / "I2").write_bytes(b"two")
    (inside / "file_link").symlink_to(outside / "secret")
    (inside / "folder_link").symlink_to(outside)
    found = list_files(inside)
    assert [(file.name, file.read()) for file in found] == [("I2", b"two"), ("a/b/I10", b"one")]


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="none does not exist"):
        list_files(tmp_path / "none")
