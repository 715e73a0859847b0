"""Files that are copies of one slice: which is used, and of which file each of the others is a copy.

A file is a copy of another where both hold the same pixels at the same place of one patient, in one series or in two
of which one holds the whole other; the same SOPInstanceUID at the same place of one study; or, one of them compressed
with losses, the same numbers and place in one series.
The place alone is no proof: two acquisitions may hold it. Nothing here looks at pixels; their digest is a column.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

PLACE = ("x_mm", "y_mm", "z_mm", "row_x", "row_y", "row_z", "column_x", "column_y", "column_z")
WITHOUT_PLACE = ("slice_location_mm", "instance_number")  # what stands for it where there is no position
DECIMALS = 3  # mm, and cosines: the digits that encoders of one header agree on
# Transfer syntaxes that may lose something. Of copies, one in another is used.
LOSSY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91, 203))


def natural_ranks(paths: pd.Series) -> np.ndarray:
    """The place of each path in natural order, where IM2 stands before IM10: (N,) integers, without a tie."""
    padded = [re.sub("[0-9]+", lambda digits: digits[0].zfill(64), path) for path in paths]
    order = np.lexsort([np.array(paths, dtype=object), np.array(padded, dtype=object)])
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def copied_from(files: pd.DataFrame) -> pd.Series:
    """The index of the file that is used in place of each copy; of files that are no copies there is no entry.

    files: one row per file with path, patient_id, study_uid, series_uid, sop_number, pixel_number, transfer_syntax,
    flags, acquisition_number and the columns of PLACE and WITHOUT_PLACE. The choice depends on encodings, on the number
    of slices in the series, and on the natural order of paths; not on the order of rows, nor on any pseudonym.
    """
    places, known = _places(files)
    lossy = files["transfer_syntax"].isin(LOSSY)
    plain = ~files["flags"].str.contains("constant", regex=False)  # a slice of air says nothing
    numbers = [files[name].fillna(-1) for name in ("instance_number", "acquisition_number")]
    patient, study, pixels = files["patient_id"], files["study_uid"], files["pixel_number"]
    series = _numbered([patient, study, files["series_uid"]])
    keys = (
        _numbered([series, pixels, places])[plain],
        _numbered([patient, pixels, places])[plain],  # of series that are copied as a whole
        _numbered([study, files["sop_number"], places])[(files["sop_number"] != 0) & known],
        _with_a_lossy_file(_numbered([series, places, *numbers])[known], lossy),
    )
    suspects = pd.Index(np.unique(np.concatenate([key.index[key.duplicated(keep=False)] for key in keys])))
    ranked = suspects[np.lexsort(_preferences(files.loc[suspects], lossy[suspects], series))]
    used = pd.Series(ranked, ranked)
    for rule, key in enumerate(keys):
        group = key[ranked[(used == used.index) & ranked.isin(key.index)]]
        copies = group.index[group.duplicated()]
        if rule == 1:
            copies = _of_whole_series(copies, series.drop(used.index[used != used.index]))
        if rule == 3:  # two files that lost nothing, and differ, are no copies of each other
            copies = copies[lossy[copies]]
        first = group[~group.duplicated()]
        used[copies] = group[copies].map(pd.Series(first.index, first.to_numpy())).to_numpy()
    for _ in keys:  # a copy of what turned out to be a copy itself
        used = used.map(used)
    return used[used != used.index].sort_index()


def _of_whole_series(copies: pd.Index, series: pd.Series) -> pd.Index:
    """Those copies of whose series every slice is one: a series that shares some slices with another is not cut."""
    own = series[copies]
    whole = own.map(own.value_counts()) == own.map(series.value_counts())
    return copies[whole.to_numpy(bool)]


def _places(files: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """One number for each place, (N,), and whether anything says where that is."""
    columns = [files[name].astype(float).round(DECIMALS).fillna(np.inf) for name in PLACE]
    positioned = files["x_mm"].notna()
    others = [files[name].astype(float).round(DECIMALS).where(~positioned) for name in WITHOUT_PLACE]
    known = positioned | others[0].notna()  # a number alone may be the same in every file
    key = [*columns, *(other.fillna(np.inf) for other in others), files["rows"], files["columns"]]
    return _numbered(key), known


def _numbered(key: list[pd.Series]) -> pd.Series:
    """One number for each row of several columns, (N,): equal rows have equal ones."""
    codes = np.zeros(len(key[0]), np.int64)
    for column in key:
        own = pd.factorize(column)[0]
        codes = pd.factorize(codes * (own.max(initial=-1) + 2) + own)[0]
    return pd.Series(codes, key[0].index)


def _with_a_lossy_file(key: pd.Series, lossy: pd.Series) -> pd.Series:
    return key[key.isin(key[lossy[key.index]].unique())]


def _preferences(files: pd.DataFrame, lossy: pd.Series, series: pd.Series) -> list[np.ndarray]:
    """Sort keys of np.lexsort, the last one first: no losses, the longer series, the one named first, its pixels."""
    own = series[files.index]
    size = own.map(series.value_counts()).to_numpy()
    ranks = natural_ranks(files["path"])
    first = pd.Series(ranks).groupby(own.to_numpy()).transform("min").to_numpy()
    return [ranks, files["pixel_number"].to_numpy(), first, -size, lossy.to_numpy()]
