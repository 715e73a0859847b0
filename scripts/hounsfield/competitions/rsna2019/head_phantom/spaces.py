"""Fluid spaces, deep nuclei and dura of the brain, as shapes in head millimetres painted slice by slice.

Tubes are chains of ellipsoids (x, y, z, radius in the plane); the left side is listed and the right mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.painting import Canvas, smooth_path

Points = NDArray[np.float64]

HORN = [(2.5, -5, 42, 1.6), (5, -15, 44, 2.7), (8.5, -24, 44.5, 3.7), (12.5, -31, 43, 3.8), (15, -36, 41, 2.2)]
BODY_FRONT = [(11, -30, 49, 3.6), (7.5, -18, 56, 4.0), (9.5, -4, 60, 4.2)]
BODY_BACK = [(14, 10, 60.5, 4.6), (20, 22, 56, 5.4), (25, 31, 49, 6)]
OCCIPITAL_HORN = [(25.5, 32, 47, 5.8), (27, 43, 44, 4.0), (25, 56, 42, 1.8)]
TEMPORAL_HORN = [(26, 31, 46, 5.4), (31, 21, 33, 2.6), (34, 5, 21, 1.8), (32, -9, 15, 1.9)]
LATERAL_VENTRICLE = (HORN, BODY_FRONT + BODY_BACK, OCCIPITAL_HORN, TEMPORAL_HORN)
NUCLEI = (  # x, y, z, half-axes x, y, z, turn in degrees
    (16.5, -25, 45, 4.0, 7.5, 9, -28),  # head of the caudate
    (25.5, -6, 40, 5.5, 14.5, 9, 12),  # lentiform nucleus
    (9.5, 6, 43, 7.0, 12.5, 9, 22),  # thalamus
)


@dataclass(frozen=True)
class Shift:
    """How a mass pushes the midline away and narrows the ventricle on its own side."""

    x: float = 0.0  # mm that the midline moves where it moves most
    side: float = 0.0  # +1 when the mass lies on the patient's left
    narrow: float = 0.0  # share of the radius lost on that side

    def move(self, points: Points) -> Points:
        """Where points (n, 2), mm, are moved to; next to the skull nothing moves."""
        moved = points.copy()
        reach = np.clip(1 - (points[:, 0] / 62) ** 2, 0, 1) * np.exp(-(((points[:, 1] + 2) / 48) ** 2))
        moved[:, 0] += self.x * reach
        return moved


@dataclass(frozen=True)
class Spaces:
    """One patient's fluid spaces. chains: (n, 4) ellipsoids of both lateral ventricles."""

    chains: Points
    atrophy: float  # 0 young and tight, 1 wide sulci and ventricles
    scale: float  # of the head
    wander: Points  # (8,) phases of the fissures' bends
    fourth_and_third: float  # scale of the midline ventricles

    def ventricles(self, canvas: Canvas, height: NDArray[np.float64], z: float, shift: Shift) -> None:
        """Paint all four ventricles; height: (n,) anatomical height of the slice at each ellipsoid."""
        x, _, centre, radius = self.chains.T
        away = (height - centre) / (radius * 1.25 + 2.0)
        section = radius * np.sqrt(np.clip(1 - away**2, 0, None))
        section = section * np.where(np.sign(x) == shift.side, 1 - shift.narrow, 1)
        seen = section > 0.3
        canvas.discs(shift.move(self.chains[seen, :2]), section[seen])
        self._midline_ventricles(canvas, z, shift)

    def _midline_ventricles(self, canvas: Canvas, z: float, shift: Shift) -> None:
        third = np.clip(1 - ((z / self.scale - 37) / 9.0) ** 4, 0, 1)
        if third > 0:
            y = np.linspace(-9, 12, 12)
            width = self.fourth_and_third * (1.1 + 1.5 * self.atrophy) * third**0.5
            width = width * (1 - 0.35 * ((y - 2) / 12) ** 2)
            canvas.discs(shift.move(self.scale * np.stack([0 * y, y], axis=1)), self.scale * width)
        fourth = np.clip(1 - ((z / self.scale - 2) / 11) ** 2, 0, 1)
        if fourth > 0:
            wide, deep = np.sqrt(fourth) * self.fourth_and_third * np.array([8.5, 5.5])
            x = np.array([-1, -0.55, 0, 0.55, 1, 0.62, 0, -0.62]) * wide
            y = 23.5 + np.array([0.25, -0.45, -0.65, -0.45, 0.25, 0.35, 1.0, 0.35]) * deep
            outline = smooth_path(np.stack([x, y], axis=1)[[0, 1, 2, 3, 4, 5, 6, 7, 0]], 40)
            canvas.polygon(self.scale * outline)

    def cisterns(self, canvas: Canvas, z: float, shift: Shift) -> None:
        """Paint the cisterns of the base and the fluid around the brain stem, then take the brain stem out."""
        h = z / self.scale
        wide = 1 + 0.35 * self.atrophy
        star = np.clip(1 - ((h - 18.5) / 6.5) ** 2, 0, 1) ** 0.5
        if star > 0:
            x = np.array([0, 2.5, 15, 7.5, 15, 4, 0]) * star * wide
            y = np.array([-31, -21, -23, -14, -3.5, -7, -4]) * 1.0
            half = np.stack([x, -14 + (y + 14) * star], axis=1)
            canvas.polygon(self.scale * np.concatenate([half, half[::-1] * [-1, 1]]))
        if -14 < h < 29:
            self._around_brain_stem(canvas, h, wide)
        smile = np.clip(1 - ((h - 31) / 8) ** 2, 0, 1) ** 0.5
        if smile > 0:
            x = np.linspace(-13, 13, 24)
            path = np.stack([x, 19.5 - 0.028 * x**2], axis=1)
            canvas.discs(shift.move(self.scale * path), self.scale * wide * smile * (1.7 - 0.006 * x**2))
            canvas.discs(
                self.scale * np.array([[0, 24.0], [0, 27.5]]), self.scale * smile * wide * np.array([2.6, 1.5])
            )

    def _around_brain_stem(self, canvas: Canvas, h: float, wide: float) -> None:
        turn = np.linspace(0, 2 * np.pi, 48)
        low = float(np.clip((16 - h) / 8, 0, 1))  # 1 at the pons, 0 at the midbrain
        rx, ry = 13.0 + 2.0 * low, 11.0 + 1.5 * low
        y0 = 6.5 + 2.0 * low
        if h < -4:
            rx, ry = rx * (1 - (-4 - h) / 28), ry * (1 - (-4 - h) / 28)
        rim = 1.9 * wide * float(np.clip((29.5 - h) / 6, 0, 1))
        around = rim * (0.45 + 0.75 * np.abs(np.cos(turn)) ** 1.5)  # widest beside the stem
        outline = np.stack([(rx + around) * np.cos(turn), y0 - 0.6 + (ry + around) * np.sin(turn)], axis=1)
        canvas.polygon(self.scale * outline)
        # The midbrain has a cleft in front between its peduncles and the roof's two hills behind; the pons has neither.
        behind, before = np.abs(turn - 0.5 * np.pi), np.abs(turn - 1.5 * np.pi)
        dips = 0.12 * np.exp(-((behind / 0.3) ** 2)) + 0.36 * np.exp(-((before / 0.36) ** 2))
        humps = np.exp(-(((behind - 0.9) / 0.35) ** 2)) + np.exp(-(((before - 0.75) / 0.3) ** 2))
        notch = 1 - (1 - low) * (dips - 0.07 * humps)
        stem = np.stack([rx * np.cos(turn) * notch, y0 + ry * np.sin(turn) * notch], axis=1)
        canvas.polygon(self.scale * stem, value=0)
        if low > 0:  # the pons joins the cerebellum by its peduncles
            arms = np.array([(-17, 12), (17, 12), (20, 30), (-20, 30)], float)
            canvas.polygon(self.scale * arms, value=0)
            corner = np.array([(-18.0, 6.5), (18.0, 6.5)])
            canvas.discs(self.scale * corner, self.scale * low * wide * np.array([2.4, 2.4]))

    def fissures(self, canvas: Canvas, z: float, edge: tuple[float, float], shift: Shift) -> None:
        """Paint the Sylvian and the interhemispheric fissure; edge: y of the cavity in front and behind."""
        h = z / self.scale
        width = 0.85 + 1.35 * self.atrophy
        for side in (1.0, -1.0):
            self._sylvian(canvas, h, side, width * (1 - (shift.narrow if side == shift.side else 0)), shift)
        if h > 15:
            callosum = float(np.clip((h - 62) / 10, 0, 1))
            stop = self.scale * (-36 - (1 - callosum) * 4) * (1 - callosum) + edge[1] * callosum
            y = np.linspace(edge[0] + 1, max(stop, edge[0] + 2), 60)
            x = self.midline(y, h)
            tear = 0.55 + 0.5 * np.sin(y * 0.21 + self.wander[0]) + 0.35 * np.sin(y * 0.47 + h * 0.1 + self.wander[1])
            radii = 0.75 * width * np.clip(tear, 0.15, None) * np.where(y < -25, 1.0, 0.6)
            canvas.discs(shift.move(np.stack([x, y], axis=1)), radii)
        if 30 < h < 62:  # behind the splenium
            y = np.linspace(self.scale * 42, edge[1] - 3, 30)
            canvas.discs(shift.move(np.stack([self.midline(y, h), y], axis=1)), 0 * y + 0.4 * width)

    def _sylvian(self, canvas: Canvas, h: float, side: float, width: float, shift: Shift) -> None:
        if not 15 < h < 60:
            return
        a, b = self.wander[2:4] if side > 0 else self.wander[4:6]
        rise = h - 22
        opening = np.array([(66, -36 + 0.75 * rise), (54, -31 + 0.8 * rise), (43, -24 + 0.62 * rise)])
        insula = float(np.clip(1 - ((h - 39) / 15) ** 4, 0, 1))
        opening[1:] += 1.5 * np.array([(np.sin(a), np.sin(b)), (np.sin(a + 1), np.sin(b + 2))])
        paths = [(opening, 1.0)]
        if insula > 0.05:
            middle = np.array([(39, -20), (36.5, -8), (39, 6), (44, 16)])
            middle = middle + np.array([1.5 * np.sin(a), 0.25 * (h - 39) + 3 * np.sin(b)])
            paths.append((middle[0] + (middle - middle[0]) * (0.3 + 0.7 * insula), 1.0))
            upper = np.array([middle[1] + np.array([2, 4]), (52, -4 + 0.3 * rise), (64, -6 + 0.45 * rise)])
            lower = np.array([middle[2], (50, 12), (60, 10 + 0.2 * rise)])
            paths += [(upper, 0.4 + 0.35 * np.sin(a + 2 * b)), (lower, 0.3 + 0.35 * np.sin(b - 2 * a))]
        if h < 28:
            paths.append((np.array([(11, -17), (25, -20), (36, -25), (43, -24 + 0.62 * rise)]), 0.75))
        fade = float(np.clip((60 - h) / 8, 0, 1) * np.clip((h - 15) / 5, 0, 1)) ** 0.5
        for path, share in paths:
            line = smooth_path(path.astype(float), 36)
            t = np.linspace(0, 9, 36)
            line = line + np.stack([np.sin(t * 1.7 + a + h * 0.11), np.sin(t * 1.3 + b + h * 0.09)], axis=1) * 1.1
            radii = width * share * fade * (0.8 + 0.35 * np.sin(t * 1.1 + b + h * 0.2))
            canvas.discs(shift.move(self.scale * line * [side, 1]), self.scale * np.clip(radii, 0.12, None))

    def midline(self, y: Points, h: float) -> Points:
        """X of the falx over y, mm."""
        return np.asarray(0.9 * np.sin(y * 0.022 + self.wander[6]) + 0.5 * np.sin(y * 0.05 + 0.02 * h + self.wander[7]))

    def dura(self, canvas: Canvas, z: float, edge: tuple[float, float], shift: Shift) -> None:
        """Paint the falx and the sagittal sinus."""
        h = z / self.scale
        if h < 17:
            return
        whole = float(np.clip((h - 50) / 22, 0, 1))
        front_end = edge[0] + (4 + 0.5 * (h - 17)) * (1 - whole) + whole * (edge[1] - edge[0])
        y = np.linspace(edge[0], front_end, 30)
        canvas.line(shift.move(np.stack([self.midline(y, h), y], axis=1)), 0.8)
        if h > 38:
            y = np.linspace(self.scale * (34 - 0.5 * (h - 38)), edge[1], 30)
            canvas.line(shift.move(np.stack([self.midline(y, h), y], axis=1)), 0.8)
        if h > 12:
            back = edge[1] - 1.5
            sinus = np.array([(-4.2, back + 2), (4.2, back + 2), (0.8, back - 6.5), (-0.8, back - 6.5)])
            canvas.polygon(sinus * [self.scale, 1], value=200)

    def nuclei(self, canvas: Canvas, z: float, shift: Shift) -> None:
        """Paint caudate, lentiform nucleus and thalamus."""
        turn = np.linspace(0, 2 * np.pi, 32)
        for x, y, centre, rx, ry, rz, degrees in NUCLEI:
            section = np.sqrt(max(0.0, 1 - ((z / self.scale - centre) / rz) ** 2))
            if section > 0.2:
                cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
                u, v = section * rx * np.cos(turn), section * ry * np.sin(turn)
                outline = np.stack([x + cos * u + sin * v, y - sin * u + cos * v], axis=1)
                for side in (1, -1):
                    canvas.polygon(shift.move(self.scale * outline * [side, 1]))


def random_spaces(rng: np.random.Generator, scale: float, wide_ventricles: bool) -> Spaces:
    """The fluid spaces of a patient; wide_ventricles: hydrocephalus, as blood in the ventricles often brings."""
    atrophy = float(rng.beta(1.6, 1.8))
    ventricle_scale = (0.78 + 0.55 * atrophy) * rng.uniform(0.9, 1.12) * (1.3 if wide_ventricles else 1.0)
    parts = []
    for side in (1, -1):
        own = ventricle_scale * rng.uniform(0.88, 1.12)
        for chain in LATERAL_VENTRICLE:
            path = smooth_path(np.array(chain, float), 44)
            path[:, 3] *= own
            path[:, 0] = side * (path[:, 0] + 0.8 * (path[:, 3] - path[:, 3] / own))
            parts.append(path)
    chains = np.concatenate(parts) * scale
    midline = rng.uniform(0.85, 1.15) * (1.25 if wide_ventricles else 1.0)
    return Spaces(chains, atrophy, scale, rng.uniform(0, 2 * np.pi, 8), midline)
