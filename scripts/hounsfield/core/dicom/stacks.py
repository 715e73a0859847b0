"""Parting the slices of one series into stacks by what their headers and places say: plain operations on columns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from hounsfield.core.dicom.copies import natural_ranks
from hounsfield.core.imaging.geometry import position_along_normal, slice_normal

POSITION = ("x_mm", "y_mm", "z_mm")  # ImagePositionPatient
ORIENTATION = tuple(f"{line}_{axis}" for line in ("row", "column") for axis in "xyz")  # direction cosines
SERIES_KEY = ("patient_id", "series_uid", "study_uid")  # what the slices of one stack share

DIRECTION_STEP = 0.08  # of a component of the normal: about 5 degrees
SPACING_STEP = 0.01  # relative
OFFSET_STEP_MM = 5.0  # sideways, between stacks without identifiers
UPRIGHT = 0.9999  # cosine of a normal along the table: such slices do not wander sideways
SAME_PLACE_MM = 0.1
GAP_MM, GAP_STEPS = 50.0, 5.0  # a gap that is longer, in mm and in usual steps, parts two stacks
OVERLAP = 0.25  # of the shorter one: as far may two acquisitions of one stack overlap
REPEATED, PLACES = 0.5, 3  # share of the places, and their number, from which on places taken twice are two stacks
# two stacks without identifiers, one between the other: steps differ from the usual one, pairs of steps do not
INTERLEAVED_SLICES, ODD_STEPS, ODD_STEP, EVEN_STEP = 8, 0.3, 0.2, 0.05


def along_normal(files: pd.DataFrame) -> pd.Series:
    """The position of each slice along its normal in mm, NaN where unknown.

    The normal's longest component counts as positive, so that slices stored upside down or mirrored compare. Without an
    orientation the axial assumption is the best there is.
    """
    orientation = files[list(ORIENTATION)].to_numpy(float)
    along = position_along_normal(files[list(POSITION)].to_numpy(float), orientation) * _sign(slice_normal(orientation))
    return pd.Series(along, files.index).fillna(files["z_mm"].astype(float))


def stack_numbers(files: pd.DataFrame, series: np.ndarray) -> np.ndarray:
    """The stack of each slice, (N,) integers that differ between stacks. series: (N,) integers, parted further here.

    A slice of which something is not known stays with the largest part of its series.
    """
    orientation, position = files[list(ORIENTATION)].to_numpy(float), files[list(POSITION)].to_numpy(float)
    normal = slice_normal(orientation)
    normal *= _sign(normal)[:, None]
    stack = _parted(series, _frames(files, series), 0.5)
    stack = _parted(stack, files["rows"].to_numpy(float) * 2**16 + files["columns"].to_numpy(float), 0.5)
    for name in ("row_spacing_mm", "column_spacing_mm"):
        spacing = files[name].to_numpy(float)
        stack = _parted(stack, np.log(spacing, out=np.full(len(spacing), np.nan), where=spacing > 0), SPACING_STEP)
    for component in normal.T:
        stack = _parted(stack, component, DIRECTION_STEP)
    nameless = _nameless(files)
    if nameless.any():
        across = np.where(nameless, np.sum(position * orientation[:, :3], axis=1), 0.0)
        down = np.where(nameless & (normal[:, 2] > UPRIGHT), np.sum(position * orientation[:, 3:], axis=1), 0.0)
        stack = _parted(_parted(stack, across, OFFSET_STEP_MM), down, OFFSET_STEP_MM)
    along = along_normal(files).to_numpy()
    stack = _by_acquisition(stack, along, files["acquisition_number"].to_numpy(float))
    stack = _by_repeats(stack, along, files, nameless)
    usual = pd.Series(stack).map(_steps(stack, along).groupby(level=0).median())
    return _parted(stack, along, np.fmax(GAP_MM, GAP_STEPS * usual.to_numpy()))


def merged_away(files: pd.DataFrame) -> np.ndarray:
    """Where slices without a series identifier lie among those of other studies and cannot be told apart, (N,) bool."""
    nameless = _nameless(files)
    merged = pd.Series(False, files.index)
    some = files[nameless]
    along = along_normal(some)
    for _, places in along.groupby([some[key] for key in SERIES_KEY]):
        steps = np.diff(np.sort(places.dropna()))
        if _repeated(steps) or _interleaved(steps):
            merged[places.index] = True
    return merged.to_numpy()


def _sign(normal: np.ndarray) -> np.ndarray:
    """The sign of each normal's longest component, (N,); NaN where the normal is. normal: (N, 3)."""
    longest = np.abs(np.nan_to_num(normal)).argmax(axis=1)
    return np.where(normal[np.arange(len(normal)), longest] < 0, -1.0, 1.0)


def _nameless(files: pd.DataFrame) -> np.ndarray:
    return files["flags"].str.contains("series_uid_missing", regex=False).to_numpy(bool)


def _frames(files: pd.DataFrame, series: np.ndarray) -> np.ndarray:
    """A number for each frame of reference, NaN for none, or where every slice of a series claims one of its own."""
    codes = pd.Series(pd.factorize(files["frame_of_reference"].replace("", None))[0])
    count, size = codes.groupby(series).transform("nunique"), codes.groupby(series).transform("size")
    return codes.astype(float).where((codes >= 0) & ~((count == size) & (size >= PLACES))).to_numpy()


def _parted(group: np.ndarray, values: np.ndarray, step: float | np.ndarray) -> np.ndarray:
    """Each group parted where its values, sorted, rise by more than `step`: (N,) integers.

    Values that are NaN stay with the largest part of their group.
    """
    parts, known = np.full(len(group), -1), ~np.isnan(values)
    order = np.flatnonzero(known)[np.lexsort([values[known], group[known]])]
    limit = step if isinstance(step, float) else step[order][1:]
    begins = (np.diff(group[order]) != 0) | (np.diff(values[order]) > limit)
    parts[order] = np.cumsum(np.append(True, begins))[: len(order)]
    if not known.all():
        sizes = pd.DataFrame({"group": group[known], "part": parts[known]}).value_counts().reset_index()
        largest = sizes.sort_values(["count", "part"], ascending=[False, True]).drop_duplicates("group")
        found = pd.Series(group[~known]).map(largest.set_index("group")["part"])
        parts[~known] = found.fillna(-1 - pd.Series(group[~known])).astype(int)
    return parts


def _by_acquisition(stack: np.ndarray, along: np.ndarray, acquisition: np.ndarray) -> np.ndarray:
    """Stacks parted where acquisitions lie side by side; one after the other they are one stack, as step by step."""
    table = pd.DataFrame({"stack": stack, "acquisition": acquisition, "along": along}).dropna()
    extents = table.groupby(["stack", "acquisition"])["along"].agg(["min", "max"]).sort_values(["stack", "min"])
    reach = extents.groupby("stack")["max"].cummax().groupby("stack").shift()
    side_by_side = extents.index[(extents["min"] <= reach + SAME_PLACE_MM).to_numpy()].get_level_values(0).unique()
    if side_by_side.empty:
        return stack
    lanes = np.where(np.isnan(acquisition), np.nan, 0.0)
    for number in side_by_side:
        rows = np.flatnonzero(stack == number)
        own = {key: np.sort(part) for key, part in table[table["stack"] == number].groupby("acquisition")["along"]}
        lanes[rows] = pd.Series(acquisition[rows]).map(_lanes(own)).to_numpy(float)
    return _parted(stack, lanes, 0.5)


def _lanes(acquisitions: dict[float, np.ndarray]) -> dict[float, int]:
    """A stack for each acquisition, by number the first one where it fits. acquisitions: sorted places in mm."""
    lanes: list[list[np.ndarray]] = []
    found = {}
    for number, places in sorted(acquisitions.items()):
        fits = (k for k, lane in enumerate(lanes) if not any(_side_by_side(places, other) for other in lane))
        found[number] = next(fits, len(lanes))
        if found[number] == len(lanes):
            lanes.append([])
        lanes[found[number]].append(places)
    return found


def _side_by_side(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two acquisitions, sorted places in mm, take one place twice or overlap by much."""
    shared = min(one[-1], other[-1]) - max(one[0], other[0])
    nearest = np.abs(one[:, None] - other[None]).min()
    return bool(nearest < SAME_PLACE_MM or shared > OVERLAP * min(np.ptp(one), np.ptp(other)) > 0)


def _by_repeats(stack: np.ndarray, along: np.ndarray, files: pd.DataFrame, nameless: np.ndarray) -> np.ndarray:
    """Stacks parted where most places are taken twice, by different pictures: the first of each place, the second."""
    steps = _steps(stack, along)
    close = (steps < SAME_PLACE_MM).groupby(level=0).sum()
    apart = (steps >= SAME_PLACE_MM).groupby(level=0).sum() + 1
    several = close.index[(close >= REPEATED * apart) & (apart >= PLACES)]
    rows = np.flatnonzero(np.isin(stack, several) & ~nameless & ~np.isnan(along))
    if not len(rows):
        return stack
    place = _parted(stack[rows], along[rows], SAME_PLACE_MM)
    some = files.iloc[rows].assign(place=place, rank=natural_ranks(files["path"].iloc[rows]), row=rows)
    some = some.sort_values(["place", "instance_number", "rank"])
    turn = np.where(np.isin(stack, several), np.nan, 0.0)
    turn[some["row"]] = some.groupby("place").cumcount()
    return _parted(stack, turn, 0.5)


def _steps(stack: np.ndarray, along: np.ndarray) -> pd.Series:
    """The distance of each slice from the one before it in its stack, in mm, by stack; NaN for the first of each."""
    order = np.lexsort([along, stack])
    first = np.diff(stack[order], prepend=stack[order][:1] - 1) != 0
    return pd.Series(np.where(first, np.nan, np.diff(along[order], prepend=np.nan)), stack[order])


def _repeated(steps: np.ndarray) -> bool:
    apart = int((steps >= SAME_PLACE_MM).sum()) + 1
    return apart >= PLACES and len(steps) + 1 - apart >= REPEATED * apart


def _interleaved(steps: np.ndarray) -> bool:
    """Whether steps differ, and the sums of two that follow each other do not."""
    if len(steps) < INTERLEAVED_SLICES:
        return False
    pairs = np.array([one + other for one, other in pairwise(steps)])
    odd, even = (np.abs(lengths / max(np.median(lengths), SAME_PLACE_MM) - 1) for lengths in (steps, pairs))
    return bool((odd > ODD_STEP).mean() > ODD_STEPS and (even < EVEN_STEP).mean() > 1 - ODD_STEPS)
