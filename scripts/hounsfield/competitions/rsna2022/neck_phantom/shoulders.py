"""The lower end of the neck: first ribs, collar bones, shoulder blades, lungs, and the streaks that shoulders cause."""

from __future__ import annotations

import cv2
import numpy as np

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import blend, ramp

from .bone import blend_bone
from .frame import Frame
from .solids import capsule, ellipsoid, ring

LUNG = -860.0  # HU
HIGHEST_LEVEL = 6.6  # that shows any of it


def draw_shoulders(image: Array, frame: Frame) -> None:
    """Draw ribs, collar bones, shoulder blades and the tops of the lungs into a slice's HU."""
    if frame.level < HIGHEST_LEVEL:
        return
    top = frame.spine["T1"].centre[2]
    p = frame.around
    both = p.mirrored()._replace(w=p.w - np.float32(top))
    lung = ellipsoid(both, (41, -6, -46), (28, 31, 50))
    blend(image, 40.0, ramp(1.5 - lung, 1.5))
    blend(image, LUNG, ramp(-lung, frame.soft))
    bones = capsule(both, (22, -56, -34), (118, -22, 16), 6.0)
    bones = np.minimum(bones, capsule(both, (96, 46, 8), (132, 16, 22), 7.0))
    for rib, (across, deep) in enumerate(((30.0, 30.0), (42.0, 38.0))):
        plane = both.w + np.float32(22 * rib - 2) - np.float32(0.55) * (both.v - np.float32(18))
        bow = ring(both.u - np.float32(42 - 3 * rib), both.v + np.float32(8 - 4 * rib), (across, deep))
        bow = np.abs(bow) - np.float32(3.4)
        inner = np.float32(17) - both.u  # the first part belongs to the vertebra
        bones = np.minimum(bones, np.maximum(np.maximum(bow, np.abs(plane) - np.float32(6)), inner))
    blend_bone(image, bones, frame.soft, cancellous=240.0, cortex=950.0, thickness=1.7)


def add_streaks(rng: np.random.Generator, image: Array, frame: Frame, strength: float) -> None:
    """Streaks from side to side where the shoulders lie; HU, in place. strength: at the most, around 1."""
    size = frame.grid.size
    wide = frame.by_level((5.4, 7.5, 9.0), (0.0, 0.8, 1.0)) * strength
    rows = rng.standard_normal((size, max(2, size // 64)), np.float32)
    if wide <= 0:
        return
    blurred = cv2.GaussianBlur(rows, (0, 0), sigmaX=0.3, sigmaY=0.8 / frame.grid.spacing + 0.3)
    streaks = cv2.resize(blurred / blurred.std(), (size, size), interpolation=cv2.INTER_CUBIC)
    inside = image > -600
    image += np.float32(28 * wide) * streaks * (np.float32(0.3) + np.float32(0.7) * inside)
