"""Simple bodies by their distance: negative inside, in mm, exact near the surface and roughly right elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hounsfield.core.phantom_kit.grid import Array

Vector = tuple[float, float, float]


class Points(NamedTuple):
    """Points of a slice in a frame of some body, mm: u to the left, v to the back, w upwards; all of one shape."""

    u: Array
    v: Array
    w: Array

    def moved(self, by: Vector, share: Array) -> Points:
        """The points that a body moved by `by`, in this share, has over these."""
        return Points(*(one - np.float32(shift) * share for one, shift in zip(self, by, strict=True)))

    def mirrored(self) -> Points:
        """Both sides laid over each other: what is drawn on the left is on the right, too."""
        return self._replace(u=np.abs(self.u))


def capsule(p: Points, start: Vector, end: Vector, radius: float, height: float = 1.0) -> Array:
    """A rod with round ends, `height` times as high as it is thick."""
    squash = np.float32(1 / height)
    along = np.array([end[0] - start[0], end[1] - start[1], (end[2] - start[2]) / height])
    du, dv, dw = p.u - np.float32(start[0]), p.v - np.float32(start[1]), (p.w - np.float32(start[2])) * squash
    du_, dv_, dw_ = (np.float32(one) for one in along / max(float(along @ along), 1e-6))
    t = np.clip(du * du_ + dv * dv_ + dw * dw_, 0, 1)
    away = (du - t * np.float32(along[0])) ** 2 + (dv - t * np.float32(along[1])) ** 2
    return np.asarray(np.sqrt(away + (dw - t * np.float32(along[2])) ** 2) - np.float32(radius), np.float32)


def ellipsoid(p: Points, centre: Vector, radii: Vector) -> Array:
    """An ellipsoid along the axes."""
    squares = (
        ((one - np.float32(middle)) * np.float32(1 / radius)) ** 2
        for one, middle, radius in zip(p, centre, radii, strict=True)
    )
    return (np.sqrt(sum(squares, np.float32(0))) - np.float32(1)) * np.float32(min(radii))


def rounded(a: Array, b: Array, square: float = 1.0) -> Array:
    """Radius of (a, b) in units of a rounded rectangle's: 1 on it. square: 2 an ellipse, 0 nearly a rectangle."""
    a2, b2 = a * a, b * b
    return np.asarray(np.sqrt(np.sqrt(a2 * a2 + b2 * b2 + np.float32(square) * a2 * b2)), np.float32)


def ring(a: Array, b: Array, semi: tuple[float, float]) -> Array:
    """Distance from an ellipse's line, negative within; a, b: from its centre, mm."""
    x, y = a * np.float32(1 / semi[0]), b * np.float32(1 / semi[1])
    r = np.sqrt(x * x + y * y) + np.float32(1e-4)
    steep = np.sqrt((x * np.float32(1 / semi[0])) ** 2 + (y * np.float32(1 / semi[1])) ** 2) + np.float32(1e-4)
    return np.asarray((r - 1) * r / steep, np.float32)


def join(a: Array, b: Array, round_by: float = 1.5) -> Array:
    """Both bodies as one, their meeting rounded by so many mm."""
    near = np.maximum(np.float32(round_by) - np.abs(a - b), 0)
    return np.minimum(a, b) - near * near * np.float32(0.25 / round_by)


def overlap(a: Array, b: Array, round_by: float = 1.0) -> Array:
    """What lies in both bodies, the edge rounded by so many mm."""
    return -join(-a, -b, round_by)
