"""From the values as a file stores them to values that read as Hounsfield units (CT) or bright bone (X-ray)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from hounsfield.core.dicom.format import PixelFormat
from hounsfield.core.dicom.header import Header
from hounsfield.core.errors import Refused

AIR_HU = -1024.0  # what padding reads as: the lowest value of most scanners, black in every window
PLAUSIBLE_HU = (-4096.0, 32767.0)
NO_AIR_ABOVE_HU = -500.0
TISSUE_HU = (-200.0, 300.0)
MISTAKABLE_PADDING_HU = (-200.0, 3000.0)  # a padding value in this range could also be a real pixel
SLOPE_RANGE = (1e-6, 1e3)
INTERCEPT_LIMIT = 1e5
OUTSIDE_SHARE = 0.01  # of pixels outside PLAUSIBLE_HU that is too much: real pictures have none
REPAIRED_ABOVE = -100.0  # an unsigned 12-bit CT with an intercept above this cannot hold air: its intercept is wrong
REPAIRED_INTERCEPT = -1000.0
_REMEDY = "the header or the decoding is wrong, export it again"


@dataclass(frozen=True)
class Values:
    """Stored values, (rows, columns) int16 or uint16, and how they read: value = stored * slope + intercept."""

    stored: np.ndarray
    slope: float
    intercept: float
    flags: tuple[str, ...] = ()


def read_rescale(header: Header) -> tuple[float, float, tuple[str, ...]]:
    """Slope, intercept and flags; 1 and 0 where absent. Raises Refused: rescale."""
    slope, intercept = header.first("slope"), header.first("intercept")
    flags = ("rescale_missing",) if slope is None or intercept is None else ()
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    # Written so that NaN fails too.
    if not (SLOPE_RANGE[0] <= slope <= SLOPE_RANGE[1] and abs(intercept) <= INTERCEPT_LIMIT):
        message = f"rescale slope {slope:g}, intercept {intercept:g} cannot be right; export the file again"
        raise Refused("rescale", message)
    return slope, intercept, flags


def as_hounsfield(values: Values, header: Header, form: PixelFormat, *, repair_intercept: bool) -> Values:
    """Read CT values: repair the intercept, turn padding into air, and flag what cannot be a picture of a patient.

    Padding is the value that the header declares, and everything below AIR_HU (scanners fill the corners outside the
    field of view with -1500, -2000 or less, declared or not). It becomes AIR_HU, or the lowest value of the pixel type
    where that is higher. An inverted display (MONOCHROME1) does not change a CT's Hounsfield units. Raises Refused:
    implausible_pixels.
    """
    padding = _declared_padding(values.stored, header, form)
    if repair_intercept and _may_be_wrapped(values, header, form) and _is_wrapped(values.stored):
        # Wrapped modulo 4096: air (-1000) was stored as 3096 and becomes 0, water becomes 1000.
        stored = (values.stored + np.uint16(1000)) & np.uint16(4095)
        values = Values(stored, values.slope, REPAIRED_INTERCEPT, (*values.flags, "intercept_repaired"))
    limits = np.iinfo(values.stored.dtype)
    air = min(max(math.ceil((AIR_HU - values.intercept) / values.slope), limits.min), limits.max)
    if padding is not None:
        values = _padding_to_air(values, padding, air)
    lowest, highest = float(values.stored.min()), float(values.stored.max())
    flags = values.flags + _doubts(values, padding, lowest, highest)
    if header.text("photometric") == "MONOCHROME1":
        flags += ("monochrome1_ct",)
    stored = np.maximum(values.stored, values.stored.dtype.type(air)) if lowest < air else values.stored
    return replace(values, stored=stored, flags=flags)


def as_radiograph(values: Values, header: Header, form: PixelFormat) -> Values:
    """Read X-ray values so that bone is bright: MONOCHROME1 is inverted, declared padding becomes the darkest value.

    Nothing is repaired: the intercept of an X-ray is no Hounsfield unit.
    """
    padding = _declared_padding(values.stored, header, form)
    stored, flags = values.stored, values.flags
    if header.text("photometric") == "MONOCHROME1":
        stored = ~stored if form.signed else stored.dtype.type(inversion_sum(form)) - stored
        flags += ("monochrome1_inverted",)
    if padding is not None and not padding.all():
        stored = np.where(padding, stored[~padding].min(), stored)
    if stored.min() == stored.max():
        flags += ("constant",)
    return replace(values, stored=stored, flags=flags)


def inversion_sum(form: PixelFormat) -> int:
    """What a stored value and its MONOCHROME1 inverse add up to."""
    return -1 if form.signed else 2**form.bits_stored - 1


def _may_be_wrapped(values: Values, header: Header, form: PixelFormat) -> bool:
    """The header of the RSNA 2019 series with wrapped values: 12 bits, unsigned, an intercept that is above -100."""
    return (
        form.bits_stored == 12
        and not form.signed
        and values.intercept > REPAIRED_ABOVE
        and values.slope == 1.0
        and header.first("intercept") is not None
    )


def _is_wrapped(stored: np.ndarray) -> bool:
    """Whether 12-bit values have wrapped, and are not Hounsfield units + 1024 whose intercept was lost.

    Of both readings the right one shows a patient in air. (Metal of the second may be taken for air in the first, and
    its air for tissue; but then the second shows more of both. Where nothing has wrapped, the first shows no air.)
    Where most of the picture is air in the first, as around the cap of a skull, it would be metal in the second.
    """
    pixels = np.ascontiguousarray(stored, np.uint16)
    counts = cv2.calcHist([pixels], [0], None, [2**12], [0, 2**12])  # in a third of np.bincount's time
    counts = counts.ravel().astype(np.int64)
    unwrapped = np.roll(counts, round(-AIR_HU))
    mostly_air = unwrapped[: round(NO_AIR_ABOVE_HU - AIR_HU)].sum() > stored.size / 2
    return bool(mostly_air) or _patient_in_air(unwrapped) > _patient_in_air(counts)


def _patient_in_air(counts: np.ndarray) -> int:
    """Pixels of air or of tissue, whichever are fewer. counts: (4096,), the pixels of each value from AIR_HU on."""
    air, lowest, highest = (round(hu - AIR_HU) for hu in (NO_AIR_ABOVE_HU, *TISSUE_HU))
    return int(min(counts[:air].sum(), counts[lowest:highest].sum()))


def _declared_padding(stored: np.ndarray, header: Header, form: PixelFormat) -> np.ndarray | None:
    """Where the pixels hold the declared padding value or range (PS3.3 C.7.5.1.1.2); None where nothing does."""
    value = _as_pixel(header, "padding_value", form)
    if value is None:
        return None
    limit = _as_pixel(header, "padding_limit", form)
    limit = value if limit is None else limit
    padding = stored == value if limit == value else (stored >= min(value, limit)) & (stored <= max(value, limit))
    return padding if padding.any() else None


def _as_pixel(header: Header, name: str, form: PixelFormat) -> int | None:
    """A header value that is written like a pixel, read like one: some headers give -2000 as 63536, or as 2096."""
    raw = header.values[name]
    if isinstance(raw, bytes):  # implicit VR: pydicom cannot know its sign
        value = int.from_bytes(raw[:2], "little") if len(raw) >= 2 else None
    else:
        value = header.integer(name)
    if value is None:
        return None
    value %= 2**form.bits_stored
    return value - 2**form.bits_stored if form.signed and value >= 2 ** (form.bits_stored - 1) else value


def _padding_to_air(values: Values, padding: np.ndarray, air: int) -> Values:
    """Replace the declared padding, unless it reads as tissue and is not seen in the corners, where padding lies."""
    hu = float(values.stored.flat[padding.argmax()]) * values.slope + values.intercept
    in_corners = bool(padding[0, 0] and padding[0, -1] and padding[-1, 0] and padding[-1, -1])
    if MISTAKABLE_PADDING_HU[0] < hu < MISTAKABLE_PADDING_HU[1] and not in_corners:
        return replace(values, flags=(*values.flags, "padding_ambiguous"))
    stored = values.stored.copy()
    np.putmask(stored, padding, air)
    return replace(values, stored=stored)


def _doubts(values: Values, padding: np.ndarray | None, lowest: float, highest: float) -> tuple[str, ...]:
    """Flags of a picture that can hardly be of a patient; lowest and highest are stored values.

    padding: where the declared padding was, which is not counted as air.

    Raises Refused, implausible_pixels, for one that cannot be: with a substantial share of values that a CT does not
    have, or with no tissue in it that is not air alone.
    """
    low, high = lowest * values.slope + values.intercept, highest * values.slope + values.intercept
    uniform = "constant" if lowest == highest else "implausible_hu" if high - low < 1 else ""
    outside = low < PLAUSIBLE_HU[0] or high > PLAUSIBLE_HU[1]
    share = _share_outside(values, lowest) if outside else 0.0
    if share > OUTSIDE_SHARE:
        raise Refused("implausible_pixels", f"{share:.1%} of its pixels lie outside -4096 to 32767 HU; {_REMEDY}")
    has_tissue = _has_between(values, *TISSUE_HU)
    is_air = high <= TISSUE_HU[0] and (high >= AIR_HU or uniform)
    if not has_tissue and not is_air:
        message = f"0% of its pixels read as tissue ({TISSUE_HU[0]:g} to {TISSUE_HU[1]:g} HU); {_REMEDY}"
        raise Refused("implausible_pixels", message)
    if uniform:
        return (uniform,)
    found = {"implausible_hu": share > 0, "no_tissue": not has_tissue, "no_air": not _has_air(values, padding)}
    return tuple(flag for flag, is_so in found.items() if is_so)


def _share_outside(values: Values, lowest: float) -> float:
    """The share of pixels outside PLAUSIBLE_HU; one lowest value that fills the corners is padding and no pixel."""
    stored = values.stored
    hu = stored * np.float32(values.slope) + np.float32(values.intercept)
    outside = (hu < PLAUSIBLE_HU[0]) | (hu > PLAUSIBLE_HU[1])
    corners = stored[[0, 0, -1, -1], [0, -1, 0, -1]]
    if (corners == lowest).all() and lowest != stored.max():
        outside &= stored != lowest
    return float(outside.mean())


def _has_air(values: Values, padding: np.ndarray | None) -> bool:
    """Whether any pixel reads as air that is no padding: what lies below AIR_HU is some, declared or not."""
    lowest = np.nextafter(AIR_HU, -math.inf)
    if padding is None:
        return _has_between(values, lowest, NO_AIR_ABOVE_HU)
    if _has_between(values, AIR_HU, NO_AIR_ABOVE_HU):
        return True
    return _has_between(replace(values, stored=values.stored[~padding]), lowest, NO_AIR_ABOVE_HU)


def _has_between(values: Values, low: float, high: float) -> bool:
    """Whether any pixel lies between `low` and `high` HU, both exclusive; a few rows of most pictures show it."""
    first, last = ((hu - values.intercept) / values.slope for hu in (low, high))
    return any(bool(((part > first) & (part < last)).any()) for part in (values.stored[::64], values.stored))
