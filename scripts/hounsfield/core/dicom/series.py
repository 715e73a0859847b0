"""Which files are used, which slices make one stack, whatever their identifiers say, and where each of them lies.

Everything here works on one table with a row per file. Identifiers are taken at their word as long as they do not
contradict each other or the geometry: a study has one patient; a stack has one coordinate system, matrix, pixel size
and orientation, no two acquisitions side by side, and no gap as long as a limb. What was joined, split or guessed is
flagged. A stack has its series' identifier, and a number behind it where a series was split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hounsfield.core.dicom.copies import copied_from, natural_ranks
from hounsfield.core.dicom.stacks import ORIENTATION, POSITION, SERIES_KEY, along_normal, merged_away, stack_numbers
from hounsfield.core.imaging.geometry import slice_normal

GROUPING_COLUMNS = (
    "path", *SERIES_KEY, *POSITION, *ORIENTATION, "instance_number", "acquisition_number", "frame_of_reference",
    "slice_location_mm", "rows", "columns", "row_spacing_mm", "column_spacing_mm", "transfer_syntax", "sop_number",
    "pixel_number", "flags",
)  # fmt: skip

AXIAL_DEGREES = 45.0  # between the slice normal and the table; a gantry tilts by 30 at most
LONE_SLICES = 3  # series of one slice each in one study, from which on they are one series
NUMBERS_OF_ORDER = ("slice_location_mm", "instance_number", "name_rank")  # what a slice without a position is placed by


def group_files(files: pd.DataFrame, *, keep_copies: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The files that are used, by patient, stack and place, and the refusals of the others.

    files: GROUPING_COLUMNS, a unique index; further columns stay. Returns `files` without what is refused, with
    patient_id, series_uid and flags as found, `normal_mm` (the position along the stack's normal; a guess where
    flagged, NaN where nothing says it) and `name_rank` (what orders slices without any); and a table of path, reason
    and message. keep_copies: copies are flagged and not refused, where each file must be answered.
    """
    files = _patients_joined(files)
    lying = not_axial(files)
    message = f"a sagittal or coronal picture, its normal more than {AXIAL_DEGREES:.0f} degrees off the table's axis"
    refused = [refusals(files[lying], "not_axial", f"{message}; it is kept out of axial stacks")]
    files = files[~lying]
    used = copied_from(files)
    if keep_copies:
        files, used = flagged(files, "copies_kept", used.index.union(pd.Index(used.unique()))), used.iloc[:0]
    names = files["path"].loc[used].map(ascii)
    refused.append(
        refusals(files.loc[used.index], "copy", [f"the same slice as {name}, which is used" for name in names])
    )
    files = flagged(files.drop(index=used.index), "copies_left_out", used.unique())
    repeated = (files["sop_number"] != 0) & files.duplicated("sop_number", keep=False)
    files = _stacked(flagged(files, "sop_uid_repeated", repeated))
    merged = merged_away(files)
    message = (
        "no SeriesInstanceUID, and other slices of its folder lie at or between its places, as where several studies "
    )
    refused.append(refusals(files[merged], "series_merged", f"{message}are merged; put each into a folder of its own"))
    return placed(files[~merged]), pd.concat(refused, ignore_index=True)


def flagged(files: pd.DataFrame, flag: str, where: pd.Series | pd.Index | np.ndarray) -> pd.DataFrame:
    """The same files with one more flag. where: (N,) bool, or labels of the index."""
    marked = np.asarray(where) if where.dtype == bool else files.index.isin(where)
    if not marked.any():
        return files
    return files.assign(flags=np.where(marked, (files["flags"] + f" {flag}").str.strip(), files["flags"]))


def joined_patients(files: pd.DataFrame) -> pd.Series:
    """The patient of each file, where all who share a study are one: the one whose file comes first by name."""
    codes = pd.factorize(files["patient_id"])[0]
    study = files["study_uid"][~files["flags"].str.contains("study_uid_missing", regex=False)]
    patient, own = pd.Series(codes, files.index), pd.Series(codes, files.index)
    while not (smallest := patient[study.index].groupby(study).transform("min")).equals(patient[study.index]):
        patient[study.index] = smallest
        patient = patient.groupby(own).transform("min")
    joined = patient.groupby(patient).transform("size") != own.groupby(own).transform("size")
    if not joined.any():
        return files["patient_id"]
    some = files[joined].assign(group=patient[joined], rank=natural_ranks(files["path"][joined]))
    first = some.sort_values("rank").groupby("group")["patient_id"].first()
    return files["patient_id"].where(~joined, patient.map(first))


def not_axial(files: pd.DataFrame) -> np.ndarray:
    """Where a slice's normal lies more than AXIAL_DEGREES off the table's axis, (N,) bool; False where unknown."""
    along = np.abs(slice_normal(files[list(ORIENTATION)].to_numpy(float))[:, 2])
    return np.asarray(along < np.cos(np.radians(AXIAL_DEGREES)))


def placed(files: pd.DataFrame) -> pd.DataFrame:
    """The same files with `normal_mm` and `name_rank`, flagged where these are guesses.

    A slice without a position among others that have one is placed by its SliceLocation, its number, or its name: by
    the first that rises or falls along the others. Where no slice of a stack has a position they stand in order of
    SliceLocation, number and name.
    """
    along, stack = along_normal(files), files.groupby(list(SERIES_KEY), sort=False).ngroup()
    missing = along.isna()
    files = files.assign(normal_mm=along, name_rank=0)
    if not missing.any():
        return files
    blind = missing.groupby(stack).transform("all")
    partly = missing.groupby(stack).transform("any")
    files.loc[partly, "name_rank"] = natural_ranks(files["path"][partly])
    for _, rows in files[partly & ~blind].groupby(stack):
        files.loc[rows.index, "normal_mm"] = _guessed_places(rows)
    located = files["slice_location_mm"].notna().groupby(stack).transform("all")
    files.loc[blind & located, "normal_mm"] = files["slice_location_mm"]
    several = stack.groupby(stack).transform("size") > 1
    guess = missing & ~blind & files["normal_mm"].notna()
    return flagged(flagged(files, "position_guessed", guess), "order_guessed", missing & several & ~guess)


def _guessed_places(stack: pd.DataFrame) -> pd.Series:
    """`normal_mm` of one stack, with the places of slices without one where something says it."""
    places = stack["normal_mm"]
    known, missing = stack[places.notna()], stack[places.isna()]
    for name in NUMBERS_OF_ORDER:
        ordered = known.sort_values(name)
        numbers, steps = ordered[name].to_numpy(float), np.diff(ordered["normal_mm"])
        one_way = len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all()) and bool((np.diff(numbers) > 0).all())
        if one_way and missing[name].notna().all():
            found = _extended(missing[name].to_numpy(float), numbers, ordered["normal_mm"].to_numpy())
            return places.fillna(pd.Series(found, missing.index))
    return places


def _extended(at: np.ndarray, numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Linear interpolation, going on beyond both ends as the nearest step does."""
    index = np.clip(np.searchsorted(numbers, at), 1, len(numbers) - 1)
    slope = (places[index] - places[index - 1]) / (numbers[index] - numbers[index - 1])
    return np.asarray(places[index - 1] + slope * (at - numbers[index - 1]))


def refusals(files: pd.DataFrame, reason: str, message: str | Sequence[str]) -> pd.DataFrame:
    """Path, reason and message of files that are not used. message: of all, or of each."""
    return pd.DataFrame({"path": files["path"].to_numpy(), "reason": reason, "message": message}, dtype=str)


def _patients_joined(files: pd.DataFrame) -> pd.DataFrame:
    patients = joined_patients(files)
    several = patients.isin(patients[patients != files["patient_id"]].unique())
    return flagged(files.assign(patient_id=patients), "patients_joined", several)


def _stacked(files: pd.DataFrame) -> pd.DataFrame:
    """The same files, with a series_uid for each stack."""
    size = files.groupby(list(SERIES_KEY))["path"].transform("size")
    lone = size == 1
    lone &= lone.groupby([files["patient_id"], files["study_uid"]]).transform("sum") >= LONE_SLICES
    if lone.any():
        some = files[lone].assign(rank=natural_ranks(files["path"][lone])).sort_values("rank")
        first = some.groupby("study_uid")["series_uid"].first()
        files = files.assign(series_uid=files["series_uid"].where(~lone, files["study_uid"].map(first)))
        files = flagged(files, "series_joined", lone)
    series = files.groupby(list(SERIES_KEY), sort=False).ngroup()
    stack = pd.Series(stack_numbers(files, series.to_numpy()), files.index)
    split = stack.groupby(series).transform("nunique") > 1
    if not split.any():
        return files
    some = files[split].assign(stack=stack[split], series=series[split], rank=natural_ranks(files["path"][split]))
    parts = some.groupby("stack").agg(series=("series", "first"), size=("rank", "size"), rank=("rank", "min"))
    parts = parts.sort_values(["size", "rank"], ascending=[False, True])  # the largest keeps the name
    number = some["stack"].map(parts.groupby("series").cumcount() + 1)
    names = files["series_uid"][split] + np.where(number > 1, "-" + number.astype(str), "")
    return flagged(
        files.assign(series_uid=names.reindex(files.index).fillna(files["series_uid"])), "series_split", split
    )
