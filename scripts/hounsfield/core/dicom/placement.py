"""Where a slice lies in the patient, as its header says it, and its picture in the plain view that follows from that.

The plain view has square pixels and the directions in which the plane is looked at (imaging/geometry.py). It is made of
stored values, before any window, and position, orientation and spacing are then those of what was made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hounsfield.core.dicom.header import Header
from hounsfield.core.imaging.geometry import (
    PLAIN,
    plain_turn,
    slice_normal,
    square_pixels,
    square_shape,
    turn_corner,
    turn_directions,
    turn_picture,
)

LENGTH_LIMIT = 1e6  # mm; no position and no distance between pixels is a kilometre


@dataclass(frozen=True)
class Place:
    """Where a slice lies; None for what is not known, which `flags` name."""

    position: tuple[float, float, float] | None  # mm, of the first pixel's centre
    orientation: tuple[float, ...] | None  # six direction cosines: along a row, along a column
    pixel_spacing: tuple[float, float] | None  # mm between rows, then between columns
    flags: tuple[str, ...] = ()


def read_place(header: Header) -> Place:
    """Position, orientation and spacing that can be used."""
    flags = []
    position, orientation = header.numbers("position"), header.numbers("orientation")
    spacing = header.numbers("pixel_spacing")
    if not (len(position) == 3 and all(abs(value) <= LENGTH_LIMIT for value in position)):
        position = ()
        flags.append("position_missing")
    if not (len(orientation) == 6 and np.isfinite(slice_normal(np.array(orientation))).all()):
        orientation = ()
        flags.append("orientation_missing")
    if not (len(spacing) == 2 and all(0 < value <= LENGTH_LIMIT for value in spacing)):
        spacing = ()
        flags.append("pixel_spacing_missing")
    return Place(
        (position[0], position[1], position[2]) if position else None,
        orientation or None,
        (spacing[0], spacing[1]) if spacing else None,
        tuple(flags),
    )


def plain_view(stored: np.ndarray, place: Place) -> tuple[np.ndarray, Place]:
    """The picture turned to the plain view and with square pixels, and where it lies then.

    stored: (rows, columns). Flags what was done: turned, resampled; or pixel_aspect_unlikely, and nothing resampled.
    What is plain already comes back as it is, not copied.
    """
    if place.orientation is not None:
        stored, place = _turned(stored, place, place.orientation)
    if place.pixel_spacing is not None and place.pixel_spacing[0] != place.pixel_spacing[1]:
        stored, place = _resampled(stored, place, place.pixel_spacing)
    return stored, place


def _turned(stored: np.ndarray, place: Place, orientation: tuple[float, ...]) -> tuple[np.ndarray, Place]:
    turn = plain_turn(orientation)
    if turn == PLAIN:
        return stored, place
    position, spacing = place.position, place.pixel_spacing
    if position is not None and spacing is not None:  # without a spacing, it is still right along the normal
        position = turn_corner(position, orientation, spacing, stored.shape, turn)
    if spacing is not None and turn.transposed:
        spacing = spacing[1], spacing[0]
    return turn_picture(stored, turn), Place(
        position, turn_directions(orientation, turn), spacing, (*place.flags, "turned")
    )


def _resampled(stored: np.ndarray, place: Place, spacing: tuple[float, float]) -> tuple[np.ndarray, Place]:
    shape = square_shape(stored.shape, spacing)
    if shape is None:
        return stored, replace(place, flags=(*place.flags, "pixel_aspect_unlikely"))
    if shape == stored.shape:
        return stored, place
    new_spacing = spacing[0] * stored.shape[0] / shape[0], spacing[1] * stored.shape[1] / shape[1]
    position = place.position
    if position is not None and place.orientation is not None:  # edges stay where they are, so the first centre moves
        right, down = place.orientation[:3], place.orientation[3:]
        by_row, by_column = ((new - old) / 2 for new, old in zip(new_spacing, spacing, strict=True))
        x, y, z = (at + by_column * a + by_row * b for at, a, b in zip(position, right, down, strict=True))
        position = x, y, z
    flags = (*place.flags, "resampled")
    return square_pixels(stored, shape), replace(place, position=position, pixel_spacing=new_spacing, flags=flags)
