"""Two whole series of heads and what else no package brings along: skipped where `../shared/dicom` is not there.

MANIFEST.csv beside them holds for each file what other readers found.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import work_at
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.errors import Refused
from programs import run_program

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "dicom"
TILTED, PHANTOM = "ct_head_human_ge_tilt", "ct_head_phantom_philips_5mm"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder of real files is not there")

# What none of pydicom's files shows. Each: the refusal's code (None: used), and flags.
ODD: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "deid-data__ctbrain1.dcm": ("colour", ()),  # of modality CT
    "dicomParser__CT1_UNC.fragmented_bot_jpeg_ls.80.dcm": (None, ()),  # in fragments, with their offsets
    "fo-dicom__D_CLUNIE_CT1_RLE_FRAGS.dcm": (None, ()),  # likewise, without
    "fo-dicom__IM-0001-0001-0001_labelled_CSPINE.dcm": (
        None, ("patient_id_missing", "body_part_unexpected", "precision_mismatch"),
    ),
    "nitest-dicom__siemens_ct_header_csa.dcm": ("no_pixel_data", ()),  # all of a slice but its pixels
    "pydicom-data__eCT_Supplemental.dcm": ("multi_frame", ()),  # enhanced
}  # fmt: skip


@cache
def manifest() -> dict[str, dict[str, str]]:
    with (FOLDER / "MANIFEST.csv").open(newline="") as rows:
        return {row["file"]: row for row in csv.DictReader(rows)}


def outcome(path: Path) -> DicomSlice | str:
    try:
        return read_slice(path.read_bytes())
    except Refused as refused:
        return refused.code


def assert_values_agree(slice_: DicomSlice, row: dict[str, str]) -> None:
    """Compare with the manifest, whose values have padding as it was; here it reads as air."""
    low, high, mean = int(row["stored_min"]), int(row["stored_max"]), float(row["rescaled_mean"])
    air = math.ceil((-1024 - slice_.intercept) / slice_.slope)
    assert (slice_.stored.min(), slice_.stored.max()) == (max(low, air), high)
    if low >= air:
        assert (slice_.stored * slice_.slope + slice_.intercept).mean() == pytest.approx(mean, abs=1e-3)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_used_with_the_values_of_other_readers_or_refused_by_its_code(name: str) -> None:
    code, flags = ODD[name]
    found = outcome(FOLDER / "odd" / name)
    if code is not None:
        assert found == code
    else:
        assert isinstance(found, DicomSlice)
        assert found.flags == flags
        assert_values_agree(found, manifest()[f"odd/{name}"])


@pytest.mark.parametrize("series", [TILTED, PHANTOM])
def test_every_slice_of_a_head_series_is_kept_without_a_flag_and_with_the_values_of_other_readers(series: str) -> None:
    kept = {path.name: outcome(path) for path in (FOLDER / series).iterdir()}
    assert kept.pop("DIRFILE", "dicomdir") == "dicomdir"
    assert len(kept) == 28
    for name, slice_ in kept.items():
        assert isinstance(slice_, DicomSlice)
        assert slice_.flags == ()
        assert not slice_.intercept_repaired
        assert_values_agree(slice_, manifest()[f"{series}/{name}"])


def test_the_tilted_series_is_one_stack_along_its_normal_whose_changes_of_spacing_are_told(tmp_path: Path) -> None:
    work = work_at(tmp_path / "work")
    arguments = ("--data_set", "own", "--jobs", 1)
    run_program("rsna2019_prepare", *work.arguments, "--images", FOLDER / TILTED, *arguments)
    slices = pd.read_parquet(work.folder / "data/own/slices.parquet")
    assert (len(slices), slices["series"].nunique(), slices["flags"].eq("").all()) == (28, 1, True)
    assert {float(step) for step in np.diff(slices["normal_mm"]).round(1)} == {4.0, 1.1, 7.0}
    facts = pd.read_csv(work.folder / "data/own/spacing.csv")
    assert set(facts["fact"]) == {"gap"}
