from __future__ import annotations

import contextlib
import os
import random
import warnings
import zipfile
from pathlib import Path

import pytest

from hounsfield.core.errors import BadInput, MissingInput, Refused, UnusableSource
from hounsfield.core.intake import archives, zip_members
from hounsfield.core.intake.archives import SourceFile, list_files


def make_zip(path: Path, method: int) -> dict[str, bytes]:
    contents = {f"top/images/{n}.dcm": bytes([n]) * (1000 + n) for n in range(5)}
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("top")
        for name, content in contents.items():
            archive.writestr(name, content)
    return contents


def refusal(file: SourceFile) -> Refused:
    with pytest.raises(Refused) as caught:
        file.read()
    return caught.value


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_in_place(tmp_path: Path, method: int) -> None:
    contents = make_zip(tmp_path / "a.zip", method)
    assert {file.name: file.read() for file in list_files(tmp_path / "a.zip")} == contents
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_a_method_that_is_not_read_costs_the_file_alone(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_BZIP2)
    assert refusal(list_files(tmp_path / "a.zip")[0]).code == "archive_method"


def test_a_member_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_STORED)
    member = list_files(tmp_path / "a.zip")[2]
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[member.offset + 200] ^= 4
    (tmp_path / "a.zip").write_bytes(content)
    assert refusal(member).code == "archive_damaged"


def test_a_member_that_inflates_beyond_its_declared_size_is_stopped_there(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", b"\0" * 50_000_000)
    content = path.read_bytes().replace((50_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(content)
    refused = refusal(list_files(path)[0])
    assert (refused.code, "1001 " in refused.message) == ("archive_damaged", True)


def test_a_member_larger_than_any_slice_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1003)
    monkeypatch.setattr(SourceFile, "_read_member", lambda file: b"read")
    *within, beyond = list_files(tmp_path / "a.zip")
    assert [file.read() for file in within] == [b"read"] * 4
    assert refusal(beyond).code == "file_too_large"


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
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
    with pytest.raises(BadInput, match=r"a\.zip.*overlap"):
        list_files(path)


def test_a_cut_archive_is_named(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_STORED)
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-40])
    with pytest.raises(BadInput, match=r"a\.zip"):
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
    with pytest.raises(MissingInput, match="/none "):
        list_files(tmp_path / "none")


def test_a_damaged_archive_is_refused_by_name_or_costs_single_files_and_nothing_else(tmp_path: Path) -> None:
    path, numbers = tmp_path / "a.zip", random.Random(1)
    make_zip(path, zipfile.ZIP_STORED)
    whole = path.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(numbers.choice([1, 2, 5])):
            content[numbers.randrange(directory, len(content))] = numbers.choice([0, 255, numbers.randrange(256)])
        path.write_bytes(content)
        try:
            for file in list_files(path):
                with contextlib.suppress(Refused):
                    file.read()
        except BadInput as error:
            assert str(path) in str(error)


def test_a_member_s_name_never_leads_out_of_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.zip"
    path.parent.mkdir()
    names = ["../../outside", "/outside", "C:\\outside", "a/../../outside"]
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    assert [file.read() for file in list_files(path)] == [b"x"] * len(names)
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == ["a.zip"]


def test_what_is_neither_folder_nor_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingInput, match="/pipe "):
        list_files(tmp_path / "pipe")


def test_a_list_of_files_is_a_sequence_that_keeps_them_as_columns(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", zipfile.ZIP_STORED)
    files = list_files(tmp_path / "a.zip")
    whole = list(files)
    assert [len(block) for block in files.blocks(2)] == [2, 2, 1]
    assert sum(files.blocks(2), []) == whole
    assert (files[-1], list(files[1:3])) == (whole[-1], whole[1:3])
    assert files.labels.to_pylist() == [file.label for file in whole]
    assert files.stamps.tolist() == [file.stamp for file in whole]
    assert list(files.take(files.sizes > 1002)) == whole[3:]


def test_names_that_are_no_text_are_kept_and_their_labels_escaped(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/M\xfcller")).write_bytes(b"x")
    (tmp_path / "Mü").write_bytes(b"y")
    files = list_files(tmp_path)
    assert files.labels.to_pylist() == [file.label for file in files] == ["Mü", "M\\xfcller"]
    assert [file.read() for file in files] == [b"y", b"x"]


def test_two_files_that_would_be_shown_by_one_name_are_refused_rather_than_one_lost(tmp_path: Path) -> None:
    for name in (b"\xff.dcm", b"\\xff.dcm"):
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(name)
    with pytest.raises(UnusableSource, match="rename it"):
        list_files(tmp_path)


def test_what_stands_before_the_archive_comments_and_extra_fields_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"something that stands before the archive")
    names = ["Müller.dcm", "of one entry", "plain.dcm"]
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"of the whole"
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.comment, entry.extra = b"of one", b"\xfe\xca\x02\x00ab"
            archive.writestr(entry, name * 50)
    assert [(file.name, file.read()) for file in list_files(path)] == [(name, (name * 50).encode()) for name in names]


def test_sizes_and_offsets_beyond_four_gigabytes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("first", b"1")
        file.seek(5 * 2**30)  # sparse: takes no room
        archive.start_dir = file.tell()
        archive.writestr("second", b"22")
    files = list_files(path)
    assert [(file.name, file.offset > 2**32) for file in files] == [("first", False), ("second", True)]
    assert [file.read() for file in files] == [b"1", b"22"]


def test_a_directory_of_too_many_entries_is_refused_before_they_are_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_zip(tmp_path / "many.zip", zipfile.ZIP_STORED)
    monkeypatch.setattr(zip_members, "MAX_DIRECTORY_BYTES", 300)
    monkeypatch.setattr(zipfile, "ZipInfo", lambda name: pytest.fail("an entry became an object"))
    with pytest.raises(BadInput, match=r"many\.zip"):
        list_files(tmp_path / "many.zip")


@pytest.mark.parametrize("field", ["size", "offset"])
def test_a_member_whose_size_or_place_no_file_can_have_is_refused(tmp_path: Path, field: str) -> None:
    path = tmp_path / "wide.zip"
    make_zip(path, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    name_length = int.from_bytes(content[entry + 28 : entry + 30], "little")
    place = entry + (24 if field == "size" else 42)
    content[place : place + 4] = b"\xff" * 4  # the value stands in the 64-bit extra field
    content[entry + 30 : entry + 32] = (12).to_bytes(2, "little")
    after_name = entry + 46 + name_length
    content[after_name:after_name] = b"\x01\x00\x08\x00" + b"\xff" * 8
    end = content.rindex(b"PK\x05\x06")
    size = int.from_bytes(content[end + 12 : end + 16], "little") + 12
    content[end + 12 : end + 16] = size.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"wide\.zip"):
        list_files(path)


def test_names_with_backslashes_are_paths_and_their_members_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "A.ZIP", "w") as archive:
        archive.writestr("top\\ct\\", b"")
        archive.writestr("top\\ct\\IM1.DCM", b"one")
    assert [(file.name, file.read()) for file in list_files(tmp_path / "A.ZIP")] == [("top/ct/IM1.DCM", b"one")]


def test_members_of_one_name_each_have_a_path_of_their_own_and_are_read(tmp_path: Path) -> None:
    names = ["a/dup.dcm", "a/dup.dcm", "a\\dup.dcm", "a/(2)/dup.dcm", "dup.dcm", "dup.dcm"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the duplicates
        for number, name in enumerate(names):
            archive.writestr(name, bytes([number]))
    files = list_files(tmp_path / "a.zip")
    assert len({file.label for file in files}) == len(names)
    assert sorted(file.read() for file in files) == [bytes([number]) for number in range(len(names))]
    assert {Path(file.name).name for file in files} == {"dup.dcm"}


def test_an_archive_locked_with_a_password_is_named_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    make_zip(path, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)  # of the directory, after the folder
    content[second + 8] |= zip_members.ENCRYPTED
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.zip: 1 of its 6 files is locked with a password; the first: 'top/images/0"):
        list_files(path)


def stamp(path: Path) -> int:
    return int(list_files(path).stamps[0])


def test_a_stamp_is_another_one_in_another_place_and_for_changed_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"x")
        os.utime(tmp_path / name / "a", ns=(0, 315532800 * 10**9))
        make_zip(tmp_path / name / "b.zip", zipfile.ZIP_STORED)
    os.link(tmp_path / "one" / "a", tmp_path / "linked")
    stamps = [stamp(tmp_path / "one"), stamp(tmp_path / "two")]
    assert stamp(tmp_path / "one") == stamps[0]
    (tmp_path / "two").rename(tmp_path / "three")
    stamps.append(stamp(tmp_path / "three"))
    (tmp_path / "one" / "a").write_bytes(b"y")
    os.utime(tmp_path / "one" / "a", ns=(0, 315532800 * 10**9))
    stamps.append(stamp(tmp_path / "one"))
    assert len(set(stamps)) == 4
    assert stamp(tmp_path / "one" / "b.zip") != stamp(tmp_path / "three" / "b.zip")
