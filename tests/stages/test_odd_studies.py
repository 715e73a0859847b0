"""A phantom study in every disorder of a hospital's export: the same slices in the same order, or a refusal.

What a model answers depends on the prepared images and on their order alone, so these are compared.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from conftest import work_at
from programs import run_program

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
STRIPPED = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
Study = list[Dataset]  # in order of position


class Outcome(NamedTuple):
    slices: pd.DataFrame
    reasons: pd.Series  # by path


def study_of(archive: Path, patient: int) -> Study:
    """A study of a patient who has one series, from the bottom up."""
    with zipfile.ZipFile(archive) as members:
        files = [pydicom.dcmread(BytesIO(members.read(name))) for name in members.namelist() if name.endswith(".dcm")]
    whole = [file for file in files if len(file.PixelData) == file.Rows * file.Columns * 2]
    counts = Counter(file.SeriesInstanceUID for file in whole)
    names = sorted(uid for uid, number in counts.items() if number >= 4)
    found = [file for file in whole if file.SeriesInstanceUID == names[patient]]
    return sorted(found, key=lambda file: file.ImagePositionPatient[2])


def renamed(study: Study, name: str) -> Study:
    """Copies with identifiers of their own."""
    copies = [pydicom.dcmread(BytesIO(written(file))) for file in study]
    for number, file in enumerate(copies):
        file.PatientID, file.StudyInstanceUID, file.SeriesInstanceUID = f"P {name}", f"St {name}", f"Se {name}"
        file.SOPInstanceUID = f"{name}.{number}"
    return copies


def written(file: Dataset) -> bytes:
    buffer = BytesIO()
    with pydicom.config.disable_value_validation():
        pydicom.dcmwrite(buffer, file)
    return buffer.getvalue()


def without(study: Study, *keywords: str) -> Study:
    for file in study:
        for keyword in keywords:
            if keyword in file:
                delattr(file, keyword)
    return study


def in_syntax(study: Study, syntax: str) -> Study:
    for file in study:
        if syntax == RLELossless:
            file.compress(syntax, generate_instance_uid=False, encoding_plugin="pydicom")
        else:
            file.file_meta.TransferSyntaxUID = syntax
    return study


def turned(study: Study) -> Study:
    """The same pixels called coronal, as a reformat that stands in the same series."""
    for number, file in enumerate(study):
        file.ImageOrientationPatient, file.SOPInstanceUID = [1, 0, 0, 0, 0, -1], f"mpr.{number}"
    return study


def noisy(study: Study) -> Study:
    """Another head of the same geometry."""
    for file in study:
        file.PixelData = np.roll(np.frombuffer(file.PixelData, np.int16), 999).tobytes()
    return study


def with_each(study: Study, keyword: str, values: Iterable[object]) -> Study:
    for file, value in zip(study, values, strict=False):
        setattr(file, keyword, value)
    return study


# how a study comes, as files by name; what is right for all is that its slices are those of `plain`
VARIANTS: dict[str, Callable[[Study], dict[str, Study]]] = {
    "plain": lambda s: {"": s},
    "twice": lambda s: {"a": s, "b": s},
    "again under new names": lambda s: {"a": s, "b": with_each(renamed(s, "b"), "PatientID", [s[0].PatientID] * 9)},
    "in four encodings": lambda s: {
        "a": s,
        "b": in_syntax(copied(s), ImplicitVRLittleEndian),
        "c": in_syntax(copied(s), DeflatedExplicitVRLittleEndian),
        "d": in_syntax(copied(s), RLELossless),
    },
    "with reformats": lambda s: {"": s, "mpr": turned(copied(s))},
    "stripped": lambda s: {"": without(s, *STRIPPED)},
    "two patients": lambda s: {"": with_each(s, "PatientID", ["MRN", "MRN"])},
    "a series per slice": lambda s: {"": with_each(s, "SeriesInstanceUID", "abcdefghi")},
    "one lost position": lambda s: {"": [*s[:2], *without(s[2:3], "ImagePositionPatient"), *s[3:]]},
    "no positions": lambda s: {"": without(s, "ImagePositionPatient")},
    "locations alone": lambda s: {
        "z": without(with_each(s, "SliceLocation", range(9)), "ImagePositionPatient", "InstanceNumber")[::-1]
    },
}


def copied(study: Study) -> Study:
    return [pydicom.dcmread(BytesIO(written(file))) for file in study]


@pytest.fixture(scope="module")
def outcome(phantom_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The preparation of all variants at once, each in a folder of its own, and of merged studies."""
    top = tmp_path_factory.mktemp("odd")
    one, other = study_of(phantom_archive, 0), study_of(phantom_archive, 1)
    folders = {name: make(renamed(one, name)) for name, make in VARIANTS.items()}
    nameless = without(renamed(one, "m"), *STRIPPED)
    folders["merged"] = {"x": nameless, "y": without(renamed(other, "n"), *STRIPPED)}
    folders["alike"] = {"x": nameless, "y": noisy(copied(nameless))}
    for name, parts in folders.items():
        (top / "ct" / name).mkdir(parents=True)
        for part, study in parts.items():
            for number, file in enumerate(study, 1):
                (top / "ct" / name / f"{part}{number}").write_bytes(written(file))
    work = work_at(top / "work")
    run_program(
        "rsna2019_prepare", *work.arguments, "--images", top / "ct", "--data_set", "own", "--jobs", 1,
        "--prepare.bad_share", 1,
    )  # fmt: skip
    data = work.folder / "data" / "own"
    reasons = pd.read_csv(data / "rejected.csv").set_index("path")["reason"]
    return Outcome(pd.read_parquet(data / "slices.parquet"), reasons)


def stacks_in(outcome: Outcome, folder: str) -> list[list[int]]:
    """What a network sees of each stack of a folder: the prepared images in order."""
    own = outcome.slices[outcome.slices["path"].str.startswith(f"{folder}/")]
    return [stack["image_crc32"].tolist() for _, stack in own.groupby("series")]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_study_in_disorder_gives_the_images_of_the_plain_one_in_the_same_order(outcome: Outcome, name: str) -> None:
    assert len(stacks_in(outcome, "plain")[0]) >= 4
    assert stacks_in(outcome, name) == stacks_in(outcome, "plain")


def test_what_was_done_about_it_is_flagged_or_listed(outcome: Outcome) -> None:
    flags = outcome.slices.groupby(outcome.slices["path"].str.partition("/")[0])["flags"].agg(" ".join)
    for name, flag in {
        "twice": "copies_left_out", "again under new names": "copies_left_out", "in four encodings": "copies_left_out",
        "stripped": "series_uid_missing", "two patients": "patients_joined", "a series per slice": "series_joined",
        "one lost position": "position_guessed", "no positions": "order_guessed", "locations alone": "order_guessed",
        "merged": "series_split",
    }.items():  # fmt: skip
        assert flag in flags[name]
    assert set(flags["plain"].split()) == set()
    left_out = outcome.reasons.groupby(outcome.reasons.index.str.partition("/").get_level_values(0)).unique()
    assert left_out.map(list).to_dict() == {
        "again under new names": ["copy"],
        "alike": ["series_merged"],
        "in four encodings": ["copy"],
        "twice": ["copy"],
        "with reformats": ["not_axial"],
    }


def test_two_stripped_studies_of_different_geometry_in_one_folder_are_told_apart(outcome: Outcome) -> None:
    assert stacks_in(outcome, "plain")[0] in stacks_in(outcome, "merged")
    assert len(stacks_in(outcome, "merged")) == 2


def test_two_stripped_studies_of_one_geometry_are_refused_and_not_mixed(outcome: Outcome) -> None:
    assert stacks_in(outcome, "alike") == []
