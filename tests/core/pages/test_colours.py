"""Classes keep apart, by those who see all colours and by those who do not.

Sources: Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009
(severity 1); CIE 15, 8.2.1 (L*a*b*, D65); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from hounsfield.core.pages.colours import CLASS_COLOURS

SEEN = {
    "by most": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = (0.95047, 1.0, 1.08883)
INKS = ("#000000", "#1b242c", "#e8edf1")  # what black is on figures, on light and on dark pages
APART = 16  # a just noticeable difference is 2.3


def linear(colour: str) -> np.ndarray:
    """(3,) of a colour as #rrggbb."""
    value = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """(3,) L*, a*, b*."""
    xyz = TO_XYZ @ rgb.clip(0, 1) / WHITE
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("who", SEEN)
def test_no_two_classes_look_alike(who: str, ink: str) -> None:
    colours = [ink if colour == "#000000" else colour for colour in CLASS_COLOURS]
    seen = [lab(np.array(SEEN[who]) @ linear(colour)) for colour in colours]
    assert len(seen) == 8  # any fracture, and C1 to C7
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > APART
