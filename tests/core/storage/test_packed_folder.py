from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import resource
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage import packed_folder
from hounsfield.core.storage.packed_folder import (
    CHECKSUMS,
    Contents,
    Listed,
    pack,
    read_contents,
    unpack,
    unpack_foreign,
)

BLOCK = 512
NAMES = st.text("abcdefghij_-0123456789", min_size=1, max_size=150)


def make_files(folder: Path, contents: dict[str, bytes]) -> dict[str, Path]:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def list_of(contents: dict[str, bytes]) -> Contents:
    files = {name: Listed(hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items()}
    return Contents({"experiment": "toy"}, files)


SOME = {"toy.yaml": b"seed: 1\n", "fold0/epoch1/identity.npy": bytes(range(256)) * 5, "empty.csv": b""}


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


def end_mark(archive: Path) -> int:
    """Where the blocks of zeros begin, after the last file."""
    with tarfile.open(archive) as opened:
        last = opened.getmembers()[-1]
    return last.offset_data + -(-last.size // BLOCK) * BLOCK


def everything(name: str) -> bool:
    return True


def unpack_all(archive: Path, folder: Path) -> list[Path]:
    return unpack_foreign(archive, folder, wanted=everything, max_bytes=10**9)


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
