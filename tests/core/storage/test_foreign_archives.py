"""Tar archives of other programs: unpacked, or refused before they do harm."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tar_files import BLOCK, foreign, member

from hounsfield.core.errors import BadInput
from hounsfield.core.storage import packed_folder
from hounsfield.core.storage.packed_folder import CHECKSUMS, Contents, Listed, unpack, unpack_foreign


def everything(name: str) -> bool:
    return True


def unpack_all(archive: Path, folder: Path) -> list[Path]:
    return unpack_foreign(archive, folder, wanted=everything, max_bytes=10**9)


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/tmp/out", "C:out", "a\\..\\out", "..", "a/..", "x\ny", "n" * 300]
)
def test_name_that_leads_elsewhere_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "folder"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        archive = foreign(tmp_path / "bad.tar", [(member(name), b"x")], form)
        with pytest.raises(BadInput, match=r"bad\.tar: .*name"):
            unpack_all(archive, folder)
    head = Contents({}, {name: Listed(hashlib.sha256(b"x").hexdigest(), 1)}).as_bytes()
    archive = foreign(tmp_path / "bad.tar", [(member(CHECKSUMS), head), (member(name), b"x")])
    with pytest.raises(BadInput, match=r"bad\.tar: .*name"):
        unpack(archive, folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE, b"Z",
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", ["/etc/passwd", "fine"])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, target: str) -> None:
    archive = foreign(tmp_path / "bad.tar", [(member("fine"), b""), (member("evil", kind, target), b"")])
    with pytest.raises(BadInput, match=r"bad\.tar: 'evil'"):
        unpack_all(archive, tmp_path / "out")
    assert not (tmp_path / "out" / "evil").exists()


def test_sparse_file_in_an_extended_header_is_refused(tmp_path: Path) -> None:
    info = member("zeros")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": str(10**12)}
    with pytest.raises(BadInput, match=r"bad\.tar: 'zeros'"):
        unpack_all(foreign(tmp_path / "bad.tar", [(info, b"")]), tmp_path / "out")


def test_archive_that_grows_beyond_measure_is_stopped_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = foreign(tmp_path / "bomb.tar.gz", [(member("zeros"), bytes(30 * 2**20))])
    assert archive.stat().st_size < 100_000
    with pytest.raises(BadInput, match=r"bomb\.tar\.gz .* 50 times"):
        unpack_all(archive, tmp_path / "out")
    assert not (tmp_path / "out" / "zeros").exists()


def test_every_limit_stops_the_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = foreign(tmp_path / "many.tar", [(member(f"f{i}"), b"xy") for i in range(20)])
    with pytest.raises(BadInput, match=r"many\.tar: f5 .* 10 bytes"):
        unpack_foreign(archive, tmp_path / "a", wanted=everything, max_bytes=10)
    monkeypatch.setattr(packed_folder, "MAX_MEMBERS", 10)
    with pytest.raises(BadInput, match=r"many\.tar: .* 10 "):
        unpack_all(archive, tmp_path / "b")
    folders = foreign(tmp_path / "folders.tar", [(member(f"d{i}", tarfile.DIRTYPE), b"") for i in range(40)])
    with pytest.raises(BadInput, match=r"folders\.tar: .* 10 "):
        unpack_all(folders, tmp_path / "c")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("name", ["foreign.tar", "foreign.tar.gz"])
def test_wanted_files_of_foreign_archives_are_unpacked(tmp_path: Path, form: int, name: str) -> None:
    long = "v" * 90 + "/" + "w" * 80
    files = {"./top/emb.npz": b"1" * 600, "./top/notes.txt": b"no", f"./{long}": b"2"}
    members = [(member("./", tarfile.DIRTYPE), b""), (member("./top/", tarfile.DIRTYPE), b"")]
    members += [(member(key), content) for key, content in files.items()]
    archive = foreign(tmp_path / name, members, form)
    found = unpack_foreign(archive, tmp_path / "out", wanted=lambda n: n != "notes.txt", max_bytes=10_000)
    assert {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in found} == {
        "top/emb.npz": b"1" * 600,
        long: b"2",
    }
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == sorted(found)


def test_extended_header_of_any_size_is_not_taken_into_memory(tmp_path: Path) -> None:
    info = member("long")
    info.pax_headers = {"comment": "x" * 2_000_000}
    with pytest.raises(BadInput, match=r"bad\.tar .* 2000384 bytes"):
        unpack_all(foreign(tmp_path / "bad.tar", [(info, b"")]), tmp_path / "out")


def test_headers_alone_that_grow_beyond_measure_are_stopped(tmp_path: Path) -> None:
    members = [(member(f"f{i}"), b"") for i in range(100)]
    for info, _ in members:
        info.pax_headers = {"comment": "x" * 900_000}
    archive = foreign(tmp_path / "bomb.tar.gz", members)
    assert archive.stat().st_size < 150_000
    with pytest.raises(BadInput, match=r"bomb\.tar\.gz .* 50 times"):
        unpack_all(archive, tmp_path / "out")


@pytest.mark.parametrize("size", [-512, -1024, -(10**6), 10**15])
def test_size_that_leads_back_or_far_away_is_refused(tmp_path: Path, size: int) -> None:
    head = member("odd")
    head.size = size
    (tmp_path / "bad.tar").write_bytes(head.tobuf(tarfile.GNU_FORMAT) * 2 + bytes(2 * BLOCK))
    with pytest.raises(BadInput, match=r"bad\.tar"):
        unpack_all(tmp_path / "bad.tar", tmp_path / "out")


def test_extended_headers_without_end_are_refused(tmp_path: Path) -> None:
    head = member("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    (tmp_path / "bad.tar").write_bytes(head.tobuf(tarfile.GNU_FORMAT) * 5000)
    with pytest.raises(BadInput, match=r"bad\.tar"):
        unpack_all(tmp_path / "bad.tar", tmp_path / "out")


def cut_before_the_second(content: bytes) -> bytes:
    return content[: content.index(b"two")]


def with_a_damaged_header(content: bytes) -> bytes:
    return content.replace(b"two", b"TWO")


@pytest.mark.parametrize("damage", [cut_before_the_second, with_a_damaged_header])
def test_foreign_archive_that_is_cut_or_damaged_between_two_files_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    archive = foreign(tmp_path / "bad.tar", [(member("one"), b"1"), (member("two"), b"2")])
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(BadInput, match=r"bad\.tar"):
        unpack_all(archive, tmp_path / "out")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_checksum(content: bytes) -> bytes:
    return content[:-8]


def with_wrong_checksum(content: bytes) -> bytes:
    return content[:-8] + bytes(4) + content[-4:]


@pytest.mark.parametrize("damage", [cut, without_checksum, with_wrong_checksum])
def test_damaged_gzip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    archive = foreign(tmp_path / "a.tar.gz", [(member("noise"), os.urandom(5000))])
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(BadInput, match=r"[ac]\.tar"):
        unpack_all(archive, tmp_path / "out")


def test_archive_that_goes_on_behind_its_end_is_refused(tmp_path: Path) -> None:
    whole = foreign(tmp_path / "a.tar", [(member("small"), b"1")]).read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(whole + bytes(5 * 2**20)))
    with pytest.raises(BadInput, match=r"b\.tar\.gz"):
        unpack_all(tmp_path / "b.tar.gz", tmp_path / "out")


def test_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    archive = foreign(tmp_path / "a.tar", [(member("a"), b"1"), (member("a/b"), b"1")])
    with pytest.raises(BadInput, match=r"out/a"):
        unpack_all(archive, tmp_path / "out")
