"""A DICOMDIR stands for the files that it lists, and for nothing outside of its folder."""

from __future__ import annotations

import logging
from pathlib import Path

import pydicom
import pytest
from pydicom.fileset import FileSet

from dicom_files import ct_dataset, write
from hounsfield.core import logs
from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.core.intake.archives import list_files
from hounsfield.core.intake.sources import list_sources


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """Three slices and their DICOMDIR, and a file that it does not list."""
    files = FileSet()
    for number in range(3):
        elements = {"SOPInstanceUID": f"1.2.3.{number + 1}", "InstanceNumber": number + 1}
        slice_ = ct_dataset(
            **elements, PatientID="p", PatientName="p", StudyInstanceUID="1.2", StudyID="1", StudyDate="20190101",
            StudyTime="120000", SeriesInstanceUID="1.2.3", SeriesNumber=1,
        )  # fmt: skip
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(write(slice_))
        files.add(path)
    files.write(tmp_path / "disc")
    (tmp_path / "disc" / "AUTORUN.INF").write_text("no image")
    return tmp_path / "disc"


def relist(disc: Path, *components: str) -> Path:
    """The DICOMDIR, its last file now at another path."""
    content = pydicom.dcmread(disc / "DICOMDIR")
    with pydicom.config.disable_value_validation():
        content.DirectoryRecordSequence[-1].ReferencedFileID = list(components)
        content.save_as(disc / "DICOMDIR")
    return disc / "DICOMDIR"


def names(*sources: Path) -> list[str]:
    return [file.label for file in list_sources(sources)]


def test_a_dicomdir_means_the_files_that_it_lists_as_they_are_listed_in_their_folder(disc: Path) -> None:
    found = list_sources([disc / "DICOMDIR"])
    whole = {file.label: file for file in list_files(disc)}
    assert len(found) == 3
    assert set(whole) - {file.label for file in found} == {"AUTORUN.INF", "DICOMDIR"}
    assert all(file == whole[file.label] for file in found)  # with the same stamp: known, whichever is given
    assert {file.read() for file in found} == {(disc.parent / f"{number}.dcm").read_bytes() for number in range(3)}


def test_a_dicomdir_goes_beside_other_sources_and_a_file_that_both_name_counts_once(disc: Path) -> None:
    (disc.parent / "other").mkdir()
    (disc.parent / "other" / "1").write_text("1")
    listed = names(disc / "DICOMDIR")
    assert names(disc / "DICOMDIR", disc / listed[0], disc / listed[1]) == listed
    assert names(disc / "DICOMDIR", disc.parent / "other") == [*(f"disc/{one}" for one in listed), "other/1"]
    assert "AUTORUN.INF" in names(disc / "DICOMDIR", disc)


def test_names_in_small_letters_are_found_and_what_is_missing_is_listed_and_refused(
    disc: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs.logger, "propagate", True)
    caplog.set_level(logging.WARNING, logger="hounsfield")
    first, second, third = names(disc / "DICOMDIR")
    (disc / second).unlink()
    (disc / first.lower()).parent.mkdir(parents=True, exist_ok=True)
    (disc / first).rename(disc / first.lower())
    found = {file.label: file for file in list_sources([disc / "DICOMDIR"])}
    assert sorted(found) == sorted([first.lower(), second, third])
    with pytest.raises(Refused) as refused:
        found[second].read()
    assert refused.value.code == "listed_and_missing"
    assert found[third].read()
    assert "1 of the 3 files that it lists are missing" in caplog.text


@pytest.mark.parametrize("components", [("..", "0.dcm"), ("/etc", "passwd"), ("", "etc", "passwd"), ("A/../../0.dcm",)])
def test_a_dicomdir_that_leads_out_of_its_folder_is_refused(disc: Path, components: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="names a file outside of its folder"):
        names(relist(disc, *components))


@pytest.mark.parametrize("link", ["OUT", "out"])
def test_a_link_out_of_the_folder_is_not_followed(disc: Path, link: str) -> None:
    (disc / link).symlink_to(disc.parent)
    with pytest.raises(BadInput, match="names a file outside of its folder"):
        names(relist(disc, "OUT", "0.dcm"))


def test_a_dicomdir_without_its_files_and_a_damaged_one_are_named(disc: Path) -> None:
    alone = disc.parent / "DICOMDIR"
    alone.write_bytes((disc / "DICOMDIR").read_bytes())
    with pytest.raises(MissingInput, match=r"DICOMDIR: none of the 3 files that it lists is there"):
        names(alone)
    alone.write_bytes(alone.read_bytes()[:400])
    with pytest.raises(BadInput, match=r"DICOMDIR: reading the DICOMDIR failed .*, or name the folder instead"):
        names(alone)
