"""Which slices are a study's volume, in which order, and what is odd about them.

A study is what the competition names one, or a StudyInstanceUID. Copies are looked for within a study, not between
studies of a patient: each study has to be answered.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from hounsfield.core.dicom.copies import natural_ranks
from hounsfield.core.dicom.series import group_files, joined_patients, refusals
from hounsfield.core.dicom.stacks import SERIES_KEY

NUMBER = re.compile(r"\d{1,9}")
WINDOW = 96  # slices of the published window
THICK_MM = 5.0
GAP_STEPS = 1.5
MIXED_STEP, MIXED_SHARE, MIXED_STEPS = 0.1, 0.1, 3
SAME_PLACE_MM = 1e-3
FLAGS_OF_SLICES = ("order_guessed", "position_guessed")  # that are told of the study, too


def volume_slices(files: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The slices of every study's volume from head to feet, and path, reason and message of the others.

    files: FILE_SCHEMA, one row per file. Returns the rows that are used, by study, with patient_id as found (one for
    each study) and header_patient as it was, slice, slice_number, z_mm, and has_others: the study holds other stacks.
    """
    files = files.reset_index(drop=True)
    patients = joined_patients(files)
    of_study = files.assign(patient_id=files["study_uid"], patient=patients, header_patient=files["patient_id"])
    other = _of_another_size(of_study)
    refused = [refusals(of_study[other], "other_size", "has other rows or columns than most of its series")]
    stacked, left_out = group_files(of_study[~other])
    refused.append(left_out)
    largest = _largest_stacks(stacked)
    message = "belongs to another stack of its study, by series, geometry or acquisition; the largest is used"
    refused.append(refusals(stacked[~largest], "other_series", message))
    used = stacked[largest].assign(below=-stacked["normal_mm"])
    used = used.sort_values(["study_uid", "below", "instance_number", "name_rank", "path"], ignore_index=True)
    used = used.assign(patient_id=used["patient"], slice=used.groupby("study_uid").cumcount(), z_mm=used["normal_mm"])
    used["has_others"] = used["study_uid"].isin(stacked["study_uid"][~largest])
    numbers = [_numbers(study) for _, study in used.groupby("study_uid")]
    used["slice_number"] = np.concatenate(numbers) if numbers else used["slice"]
    return used, pd.concat(refused, ignore_index=True)


def _of_another_size(files: pd.DataFrame) -> np.ndarray:
    """Where rows and columns are not those of most files of the series, (N,) bool; of two sizes the larger counts."""
    key = [*SERIES_KEY, "rows", "columns"]
    sizes = files.groupby(key, as_index=False).size().sort_values(["size", "rows", "columns"], ascending=False)
    usual = sizes.drop_duplicates(list(SERIES_KEY))
    return ~pd.MultiIndex.from_frame(files[key]).isin(pd.MultiIndex.from_frame(usual[key]))


def _largest_stacks(slices: pd.DataFrame) -> np.ndarray:
    """Where a slice is of its study's largest stack, (N,) bool; of two as large, of the one whose file comes first."""
    ranked = slices[["study_uid", "series_uid"]].assign(rank=natural_ranks(slices["path"]))
    stacks = ranked.groupby(["study_uid", "series_uid"]).agg(size=("rank", "size"), rank=("rank", "min")).reset_index()
    largest = stacks.sort_values(["size", "rank"], ascending=[False, True]).drop_duplicates("study_uid")
    key = ["study_uid", "series_uid"]
    return pd.MultiIndex.from_frame(slices[key]).isin(pd.MultiIndex.from_frame(largest[key]))


def _numbers(study: pd.DataFrame) -> np.ndarray:
    """The number of each slice's file, (n,): what its name is, else InstanceNumber, else its place from 1 on.

    The first of these that differs from slice to slice. study: path, instance_number and slice.
    """
    stems = [PurePosixPath(path).stem for path in study["path"]]
    if all(NUMBER.fullmatch(stem) for stem in stems) and len(set(map(int, stems))) == len(stems):
        return np.array(list(map(int, stems)), np.int64)
    instances = study["instance_number"]
    if instances.notna().all() and not instances.duplicated().any():
        return instances.to_numpy(np.int64)
    return study["slice"].to_numpy(np.int64) + 1


def z_direction(numbers: np.ndarray, places: np.ndarray) -> int:
    """1 where the files' numbers rise towards the head, -1 towards the feet, 0 where that is not known.

    The sign of the mean step from number to number. numbers, places (mm, rising to the head): (n,).
    """
    if len(places) < 2 or np.isnan(places).any():
        return 0
    return int(np.sign(places[numbers.argmax()] - places[numbers.argmin()]))


def usual_step(places: np.ndarray) -> float:
    """The median distance of neighbours in mm, copies of a place aside; NaN where nothing says it. places: (n,)."""
    steps = np.abs(np.diff(places))
    steps = steps[steps > SAME_PLACE_MM]  # NaN compares as false
    return float(np.median(steps)) if len(steps) else float("nan")


def study_flags(places: np.ndarray, flags: pd.Series) -> list[str]:
    """The codes of STUDY_FLAGS that the slices of one study give. places: (n,) mm; flags: (n,), of the slices."""
    steps, usual = np.abs(np.diff(places)), usual_step(places)
    apart = steps[steps > SAME_PLACE_MM]
    odd = int((np.abs(apart / usual - 1) > MIXED_STEP).sum())
    mixed = odd >= max(MIXED_STEPS, MIXED_SHARE * len(apart))
    shows = set(" ".join(flags).split())
    air = flags.str.contains("no_tissue|constant").all()
    found = {
        "one_slice": len(places) == 1,
        "few_slices": 1 < len(places) < WINDOW,
        "thick_slices": bool(usual >= THICK_MM - SAME_PLACE_MM),
        "slice_missing": not mixed and bool((apart > GAP_STEPS * usual).any()),
        "positions_repeated": len(apart) < len(steps) and not np.isnan(steps).any(),
        "mixed_spacing": mixed,
        "all_air": bool(air),
        **{flag: flag in shows for flag in FLAGS_OF_SLICES},
    }
    return [flag for flag, is_so in found.items() if is_so]
