"""The slices of each study joined into one volume, and removed: a study at a time, a slice at a time in memory.

Beside each volume lies a record of the slices that it was joined from. It is written after the volume, and the slices
are removed after it: a run that was killed at any point finds either the slices, or the volume with its record.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.paths import SUFFIX, volume_path, volumes_folder
from hounsfield.core.errors import BadInput
from hounsfield.core.logs import need_space, progress
from hounsfield.core.storage.files import read_json, value_digest, write_json
from hounsfield.core.storage.image_files import image_path, images_exist
from hounsfield.core.storage.volumes import HU, volume_whole, write_volume

RECORD = ".json"


def unjoined(slices: pd.DataFrame, work: Path, data_set: str) -> list[str]:
    """The studies whose volume is not there in its full length, or was joined from other slices.

    slices: as `volume_slices` gives them.
    """
    return [
        study
        for study, rows in _by_study(slices)
        if not volume_whole(volume_path(work, data_set, study), _shape(rows))
        or _record(work, data_set, study).get("slices") != _content(rows)
    ]


def join(slices: pd.DataFrame, studies: Collection[str], folder: Path, work: Path, data_set: str) -> None:
    """Join the slices of `studies`, which lie in `folder`, into volumes, and remove them.

    Raises BadInput where a slice is not what was written; it is removed, so that the next run makes it again.
    """
    pending = slices[slices["study_uid"].isin(list(studies))]
    if pending.empty:
        return
    pixels = pending["rows"].astype(np.int64) * pending["columns"]
    largest = int(pixels.groupby(pending["study_uid"]).sum().max()) * HU.itemsize
    need_space("join", largest, volumes_folder(work, data_set), what="the largest volume, beside its slices")
    for study, rows in progress(_by_study(pending), total=len(studies), unit="study", label="join"):
        path = volume_path(work, data_set, study)
        path.with_suffix(RECORD).unlink(missing_ok=True)
        number = write_volume(path, _read(rows, folder), _shape(rows))
        write_json(path.with_suffix(RECORD), {"slices": _content(rows), "volume_digest": number})
        for image_id in rows["image_id"]:
            image_path(folder, image_id, SUFFIX).unlink()


def missing(slices: pd.DataFrame, studies: Collection[str], folder: Path) -> list[str]:
    """The paths of the slices of `studies` that have to be prepared, since they are not in `folder`."""
    pending = slices[slices["study_uid"].isin(list(studies))]
    there = images_exist(folder, pending["image_id"].tolist(), SUFFIX)
    return pending["path"][~there].tolist()


def keep_only(slices: pd.DataFrame, studies: Collection[str], folder: Path) -> None:
    """Remove what lies in `folder` and is no slice of `studies`: of other stacks, or left by a run that was killed."""
    kept = set(slices["image_id"][slices["study_uid"].isin(list(studies))])
    for path in folder.glob("*/*"):
        if path.stem not in kept:
            path.unlink()


def volume_digests(studies: Collection[str], work: Path, data_set: str) -> list[int]:
    """The array_number of each study's volume. Raises MissingInput."""
    return [int(_record(work, data_set, study)["volume_digest"]) for study in studies]


def remove_others(studies: Collection[str], work: Path, data_set: str) -> None:
    """Remove the volumes of studies that are gone."""
    known = set(studies)
    for path in volumes_folder(work, data_set).glob("*/*"):
        if path.name.removesuffix(SUFFIX).removesuffix(RECORD) not in known:
            path.unlink()


def _by_study(slices: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for study, rows in slices.groupby("study_uid"):
        yield str(study), rows


def _shape(rows: pd.DataFrame) -> tuple[int, int, int]:
    """Of one study's volume."""
    return len(rows), int(rows["rows"].iloc[0]), int(rows["columns"].iloc[0])


def _record(work: Path, data_set: str, study: str) -> dict[str, Any]:
    path = volume_path(work, data_set, study).with_suffix(RECORD)
    return dict(read_json(path)) if path.exists() else {}


def _content(rows: pd.DataFrame) -> str:
    """Changes with any slice of a study, or their order."""
    return value_digest(rows["pixel_number"].tolist())


def _read(rows: pd.DataFrame, folder: Path) -> Iterator[np.ndarray]:
    for image_id, checksum in zip(rows["image_id"], rows["image_crc32"], strict=True):
        path = image_path(folder, image_id, SUFFIX)
        content = path.read_bytes()
        if zlib.crc32(content) != checksum:
            path.unlink()
            raise BadInput(f"{path} is not the slice that was written; run the same command again: it is made anew")
        yield np.load(io.BytesIO(content), allow_pickle=False)
