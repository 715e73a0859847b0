from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.core.intake.archives import list_files
from hounsfield.core.intake.directories import STORAGE
from hounsfield.core.intake.listings import packed_within
from hounsfield.core.intake.sources import SOURCE_UNUSABLE, list_sources


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """a/1, a/x/2, b/1, a zip with 1, and a file by itself."""
    for name in ("a/1", "a/x/2", "b/1", "c/alone"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    with zipfile.ZipFile(tmp_path / "disc.ZIP", "w") as archive:
        archive.writestr("1", "in the archive")
    return tmp_path


def contents(*sources: Path) -> dict[str, str]:
    files = list_sources(sources)
    assert [file.label for file in files] == sorted(file.label for file in files) == files.labels.to_pylist()
    return {file.label: file.read().decode() for file in files}


def test_one_source_is_listed_as_by_itself(given: Path) -> None:
    for source in (given / "a", given / "disc.ZIP", given / "c/alone"):
        assert list(list_sources([source])) == list(list_files(source))


def test_folders_archives_and_files_stand_in_one_list_by_their_paths_below_what_holds_them_all(given: Path) -> None:
    found = contents(given / "c/alone", given / "a", given / "disc.ZIP", given / "b")
    own = {name: name for name in ("a/1", "a/x/2", "b/1", "c/alone")}
    assert found == {**own, "disc.ZIP/1": "in the archive"}


def test_the_order_in_which_they_are_given_and_repeats_do_not_matter(given: Path) -> None:
    found = contents(given / "a", given / "b", given / "a/x", given / "a/1", given / "b/../a")
    assert found == contents(given / "b", given / "a")


def test_a_file_beside_others_of_its_folder_is_that_file_alone(given: Path) -> None:
    assert contents(given / "a/1", given / "b/1") == {"a/1": "a/1", "b/1": "b/1"}
    assert contents(given / "a/1") == {"1": "a/1"}


def test_files_of_one_name_in_two_places_have_pseudonyms_of_their_own(given: Path) -> None:
    from hounsfield.core.intake.pseudonyms import Naming

    naming = Naming(b"key")
    found = {naming.image_id(file) for file in list_sources([given / "a", given / "b", given / "disc.ZIP"])}
    assert len(found) == 4


def test_an_archive_is_opened_also_where_its_folder_is_given_beside_it(given: Path) -> None:
    found = {name.partition("/")[2]: text for name, text in contents(given, given / "disc.ZIP").items()}
    assert found == {**{name: name for name in ("a/1", "a/x/2", "b/1", "c/alone")}, "disc.ZIP/1": "in the archive"}


def test_an_archive_that_is_not_opened_is_said_to_be_given_or_to_lie_within(given: Path) -> None:
    for name in ("c/x.7z", "a/y.tar.gz"):
        (given / name).write_bytes(b"packed")
    alone, both = [given / "c/x.7z"], [given / "a", given / "c/x.7z"]
    assert packed_within(list_sources(alone), alone).startswith(" 1 of what is given is an archive of a kind")
    assert "within" not in packed_within(list_sources(alone), alone)
    said = packed_within(list_sources(both), both)
    assert "given is an archive of a kind that is not read (zip is); the first: 'c/x.7z'." in said
    assert "1 archive within it is not opened; the first: 'a/y.tar.gz'." in said
    zips = [given / "b", given / "disc.ZIP"]
    assert packed_within(list_sources(zips), zips) == ""


def spoilt(folder: Path, fault: str) -> Path:
    """A source that cannot be listed."""
    source = folder / ("DICOMDIR" if fault == "DICOMDIR" else f"{fault}.zip")
    if fault == "cut":
        source.write_bytes((folder / "disc.ZIP").read_bytes()[:-30])
    elif fault == "no archive":
        source.write_text("<html>404</html>")
    else:
        source.write_bytes(bytes(128) + b"DICM" + STORAGE)
    return source


@pytest.mark.parametrize("fault", ["cut", "no archive", "DICOMDIR"])
def test_an_archive_or_dicomdir_that_cannot_be_listed_costs_itself_alone_among_others(given: Path, fault: str) -> None:
    source = spoilt(given, fault)
    *whole, lost = list_sources([given / "b", given / "c", given / "disc.ZIP", source])
    lost, whole = next(one for one in (*whole, lost) if one.unread), [one for one in (*whole, lost) if not one.unread]
    assert {file.label for file in whole} == {"b/1", "c/alone", "disc.ZIP/1"}
    assert lost.label == source.name
    with pytest.raises(Refused, match=re.escape(source.name)) as refused:
        lost.read()
    assert refused.value.code == SOURCE_UNUSABLE
    assert str(given) not in refused.value.message
    with pytest.raises(BadInput, match=re.escape(str(source))) as alone:
        list_sources([source])
    assert alone.value.exit_code == 2
    assert ("is no zip archive" in str(alone.value)) is (fault == "no archive")


def test_an_archive_without_a_file_is_listed_as_one_that_cannot_be_used_among_others(given: Path) -> None:
    zipfile.ZipFile(given / "empty.zip", "w").close()
    for sources in ([given / "b", given / "empty.zip"], [given, given / "empty.zip"]):
        (lost,) = [one for one in list_sources(sources) if one.unread]
        assert (lost.name, lost.unread and lost.unread.code) == ("empty.zip", SOURCE_UNUSABLE)
    assert len(list_sources([given / "empty.zip"])) == 0


def test_a_broken_archive_is_named_once_where_its_folder_is_given_beside_it(given: Path) -> None:
    source = spoilt(given, "cut")
    found = [file for file in list_sources([given, source]) if file.label.endswith("cut.zip")]
    assert [file.unread is not None for file in found] == [True]


def test_what_is_not_there_is_named(given: Path) -> None:
    with pytest.raises(MissingInput, match="nowhere does not exist"):
        list_sources([given / "a", given / "nowhere"])
