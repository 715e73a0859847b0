"""Read one X-ray film as 8-bit grey with bright bone; decoding and refusals are the slice reader's.

The rule that turns stored values into grey levels, and the word for it that stays with the film:

    stored   8 bits stored, unsigned: the values as they are, whatever window the header proposes
    window   more bits, and a window that shows the picture: its first one, linear (PS3.3 C.11.2.1.3)
    range    else: the lowest value of the picture is black, the highest is white

MONOCHROME1 is inverted before that, window and all; a pixel that is declared to be padding is as dark as the darkest
other. Nothing else is repaired: an intercept is no Hounsfield unit here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.imaging.windows import Window, apply_window

FILM_MODALITIES = frozenset({"CR", "DX"})
CHEST = frozenset({"CHEST", "THORAX", "LUNG", "CHESTABDOMEN", "NECKCHEST", "NECKCHESTABDOMEN", "RIB"})
NOT_NEEDED = frozenset({"rescale_missing", "series_uid_missing"})  # flags that say nothing of a film
SHOWN_SHARE = 0.1  # a window shows the picture where at least this share of the pixels is neither black nor white in it

WindowUsed = Literal["stored", "window", "range"]


@dataclass(frozen=True)
class Film:
    """One film: grey levels, and what the header says about it."""

    grey: np.ndarray  # (rows, columns) uint8, bone bright
    window_used: WindowUsed
    pixel_digest: str  # SHA-256 of size and stored values (MONOCHROME1 inverted): equal for copies of one picture
    patient_id: str  # as in the file, "" where absent
    study_uid: str
    view_position: str  # PA, AP, LL ...; "" where absent
    photometric: str  # as stored: MONOCHROME1 or MONOCHROME2
    bits_stored: int
    vendor: str  # as DicomSlice has it
    flags: tuple[str, ...]  # codes of FLAGS


def read_film(data: bytes) -> Film:
    """Read the bytes of one file. Raises Refused with a code of REFUSALS: `modality` for a CT or MR slice."""
    slice_ = read_slice(data, modalities=FILM_MODALITIES, body_parts=frozenset())
    grey, used = grey_levels(slice_)
    flags = tuple(flag for flag in slice_.flags if flag not in NOT_NEEDED)
    if slice_.body_part and slice_.body_part not in CHEST:
        flags += ("body_part_unexpected",)
    if slice_.bits_stored > 8 and slice_.window_width is not None and used == "range":
        flags += ("window_unusable",)
    return Film(
        grey=grey,
        window_used=used,
        pixel_digest=_digest(slice_.stored),
        patient_id=slice_.patient_id,
        study_uid=slice_.study_uid,
        view_position=slice_.view_position,
        photometric="MONOCHROME1" if "monochrome1_inverted" in slice_.flags else "MONOCHROME2",
        bits_stored=slice_.bits_stored,
        vendor=slice_.vendor,
        flags=flags,
    )


def grey_levels(film: DicomSlice) -> tuple[np.ndarray, WindowUsed]:
    """The picture in 8 bits, (rows, columns) uint8, and by which part of the rule."""
    stored = film.stored
    if film.bits_stored == 8 and film.pixel_representation == 0:
        return stored.astype(np.uint8), "stored"
    low, high = int(stored.min()), int(stored.max())
    values = np.arange(low, high + 1) * film.slope + film.intercept  # (K,) of the stored values from the lowest on
    place = stored.astype(np.int32) - low
    if film.window_center is not None and film.window_width is not None:
        share = apply_window(values, Window(film.window_center, film.window_width))
        counts = np.bincount(place.ravel(), minlength=len(values))
        if counts[(share > 0) & (share < 1)].sum() >= SHOWN_SHARE * stored.size:
            return _in_8_bits(share)[place], "window"
    full = (values - values[0]) / max(values[-1] - values[0], 1e-9)
    return _in_8_bits(full)[place], "range"


def _in_8_bits(share: np.ndarray) -> np.ndarray:
    return np.rint(share * 255).astype(np.uint8)


def _digest(stored: np.ndarray) -> str:
    digest = hashlib.sha256(f"{stored.shape[0]} {stored.shape[1]} ".encode())
    digest.update(np.ascontiguousarray(stored, "<i4").data)
    return digest.hexdigest()
