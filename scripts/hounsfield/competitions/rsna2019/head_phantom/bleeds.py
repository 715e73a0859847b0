"""The planted bleeds: each lies where its name says, runs through neighbouring slices and thins out at its ends.

The same shapes, drawn in one slice only and not labelled, serve as mimics: one slice alone cannot tell them from blood,
its neighbours can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import ramp
from hounsfield.core.phantom_kit.waves import Waves, random_waves

from .brain import Brain
from .head import Frame, Vault
from .skull import BINS, THETA
from .spaces import Shift

EXTRA_AXIAL = ("epidural", "subdural")
OEDEMA = -11.0  # HU, difference to the tissue


@dataclass(frozen=True)
class Bleed:
    """One bleed. Lengths in mm, angles in radians. Each kind uses the fields that it needs."""

    kind: str  # a class of labels.CLASSES
    low: float  # height of its lower end
    high: float  # and of its upper end
    hu: float
    side: float  # +1 on the patient's left
    angle: float  # of its middle, where it lies on the surface
    length: float  # half-length along the surface, mm
    thickness: float  # at most
    centre: tuple[float, float]  # of an intraparenchymal bleed; intraventricular: (y of the blood's level, unused)
    radii: tuple[float, float]
    rough: Waves
    basal: bool = False  # subarachnoid blood of the cisterns rather than of one convexity

    def swell(self, z: float) -> float:
        """Its extent at height z as a share of the full one: 1 in its middle, 0.5 at its ends, 0 outside."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        away = abs(z - middle) / half
        return 0.5 + 0.5 * float(np.sqrt(1 - away**2)) if away <= 1 else 0.0


def surface_thickness(bleed: Bleed, vault: Vault) -> Array:
    """Thickness of an epidural or subdural bleed over the contour's angles, mm; (BINS,)."""
    radius = max(float(vault.inner.mean()), 20.0)
    length = bleed.length * (0.6 + 0.4 * bleed.swell(vault.z))
    along = np.abs(np.angle(np.exp(1j * (THETA - bleed.angle)))) * radius / length
    if bleed.kind == "epidural":  # a lens: thick in the middle, held at the sutures
        profile = np.clip(1 - along**2, 0, None) ** 0.85
    else:  # a crescent: nearly even, tapering far round
        uneven = bleed.rough.at(np.cos(THETA) * 70, np.sin(THETA) * 70, vault.z)
        profile = np.clip(1 - along**2.6, 0, None) ** 0.8 * (1 + 0.16 * uneven)
    off_midline = np.clip((np.cos(THETA) * bleed.side * radius - 3) / 5, 0, 1)  # the falx holds it to its side
    return np.asarray(bleed.thickness * bleed.swell(vault.z) * np.clip(profile, 0, None) * off_midline, np.float32)


def pressed_depth(bleeds: list[Bleed], frame: Frame, vault: Vault) -> Array:
    """How far blood outside the brain presses the brain's surface in, mm; (rows, columns)."""
    total = np.zeros(BINS, np.float32)
    for bleed in bleeds:
        if bleed.kind in EXTRA_AXIAL and bleed.swell(vault.z) > 0:
            total = np.maximum(total, surface_thickness(bleed, vault))
    return total[frame.angle]


def midline_shift(bleeds: list[Bleed]) -> Shift:
    """How blood outside the brain, or a large bleed in it, pushes the midline away."""
    for bleed in bleeds:
        size = bleed.thickness if bleed.kind in EXTRA_AXIAL else bleed.radii[0] - 12
        if bleed.kind in (*EXTRA_AXIAL, "intraparenchymal") and size > 3:
            return Shift(x=-bleed.side * min(0.4 * size, 8.0), side=bleed.side, narrow=min(0.035 * size, 0.5))
    return Shift()


def draw_bleed(bleed: Bleed, frame: Frame, vault: Vault, brain: Brain) -> Array:
    """The share of each pixel that is blood, 0..1; zero outside the bleed's heights."""
    swell = bleed.swell(vault.z)
    if swell == 0 or vault.inner.max() < 8:
        return np.zeros(frame.grid.shape, np.float32)
    if bleed.kind in EXTRA_AXIAL:
        share = _outside_brain(bleed, frame, vault)
    elif bleed.kind == "subarachnoid":
        share = _between_folds(bleed, frame, vault, brain)
    elif bleed.kind == "intraventricular":
        share = _in_ventricles(bleed, frame, vault, brain)
    else:
        share = ramp(_blob(bleed, frame, vault), 0.22) * (1 - 0.8 * brain.ventricles) * ramp(vault.depth - 4, 4)
    return np.asarray(share * vault.cavity, np.float32)


def draw_oedema(bleed: Bleed, frame: Frame, vault: Vault) -> Array:
    """HU to add around an intraparenchymal bleed: the dark rim of swollen white matter."""
    ring = ramp(_blob(bleed, frame, vault) + 0.30, 0.5)
    strength = max(0.0, bleed.swell(vault.z) - 0.45) / 0.55
    return np.asarray(OEDEMA * strength * ring * vault.cavity, np.float32)


def _outside_brain(bleed: Bleed, frame: Frame, vault: Vault) -> Array:
    thickness = surface_thickness(bleed, vault)[frame.angle]
    soft = 0.8 if bleed.kind == "epidural" else 1.3
    return ramp(thickness - vault.depth, soft) * ramp(thickness - 0.7, 0.8)


def _between_folds(bleed: Bleed, frame: Frame, vault: Vault, brain: Brain) -> Array:
    """Blood in place of fluid: in cisterns and fissures, and filling the sulci of a region."""
    angle = THETA[frame.angle]
    if bleed.basal:
        near = 0.35 + 0.65 * ramp(bleed.length - np.hypot(frame.grid.x - 14 * bleed.side, frame.grid.y + 14), 40)
        folds = ramp(1.5 - brain.sulcus, 1.0) * ramp(brain.reach, 3.0) * ramp(near - 0.8, 0.3)
        return np.maximum(brain.fissures * np.clip(near + 0.35, 0, 1), 0.9 * folds)
    away = np.abs(np.angle(np.exp(1j * (angle - np.float32(bleed.angle))))) * np.float32(64)
    near = ramp(bleed.length - away, 14) * ramp(frame.grid.x * np.float32(bleed.side) - 1, 3)
    folds = ramp(1.5 - brain.sulcus, 1.1) * ramp(brain.reach + 1.0, 3.0) * ramp(30 - vault.depth, 8)
    film = ramp(1.2 - vault.depth, 1.0) * np.float32(0.7)
    return near * np.maximum(np.maximum(folds, film), brain.fissures)


def _in_ventricles(bleed: Bleed, frame: Frame, vault: Vault, brain: Brain) -> Array:
    """Blood sinks to the back of both ventricles with a level, and clots in the one on its side."""
    level, _ = bleed.centre
    sunk = ramp(frame.grid.y - level - 3 * bleed.side * np.sign(frame.grid.x), 2.0)
    clot = ramp(frame.grid.x * np.float32(bleed.side) + 2.5, 1.5) * ramp(frame.grid.y - level + bleed.length, 5.0)
    return brain.ventricles * np.maximum(sunk, clot)


def _blob(bleed: Bleed, frame: Frame, vault: Vault) -> Array:
    """1 at the middle of an irregular lump, 0 at its edge, negative outside."""
    grow = bleed.swell(vault.z)
    u = (frame.grid.x - bleed.centre[0]) / np.float32(bleed.radii[0] * grow)
    v = (frame.grid.y - bleed.centre[1]) / np.float32(bleed.radii[1] * grow)
    uneven = bleed.rough.at(frame.grid.x[::4, ::4], frame.grid.y[::4, ::4], vault.z)
    full = np.repeat(np.repeat(uneven, 4, axis=0), 4, axis=1)[: u.shape[0], : u.shape[1]]
    return np.asarray(1 - np.hypot(u, v) + 0.2 * full, np.float32)


def random_bleed(rng: np.random.Generator, kind: str, scale: float, spacing: float) -> Bleed:
    """A bleed in a place that is usual for its kind. spacing: mm between slices; it spans three slices or more."""
    side = float(rng.choice([-1.0, 1.0]))
    half = 0.5 * max(float(rng.uniform(26, 48)), 3.3 * spacing)
    middles = {
        "epidural": (38, 72), "subdural": (42, 76), "subarachnoid": (44, 80), "intraventricular": (43, 55),
        "intraparenchymal": (36, 72),
    }  # fmt: skip
    middle = float(rng.uniform(*middles[kind]))
    basal = kind == "subarachnoid" and bool(rng.random() < 0.6)
    if basal:
        middle = float(rng.uniform(20, 27))
    if kind == "intraventricular":
        half = min(half, 18.0 + spacing)
    place = _lobar(rng, side) if middle > 52 else _deep(rng, side)
    angles = {"epidural": (-0.75, 0.7), "subdural": (-0.35, 0.35), "subarachnoid": (-0.9, 0.9)}
    turn = float(rng.uniform(*angles.get(kind, (0, 0))))
    sizes = {"epidural": (11, 22), "subdural": (5, 11)}
    lengths = {"epidural": (26, 38), "subdural": (80, 115), "subarachnoid": (38, 60), "intraventricular": (8, 30)}
    radius = float(rng.uniform(9, 18))
    return Bleed(
        kind=kind,
        low=scale * middle - half,
        high=scale * middle + half,
        hu=float(rng.uniform(56, 76)),
        side=side,
        angle=turn if side > 0 else np.pi - turn,
        length=scale * float(rng.uniform(*lengths.get(kind, (0, 0)))),
        thickness=float(rng.uniform(*sizes.get(kind, (0, 0)))),
        centre=(float(rng.uniform(6, 24)), 0.0) if kind == "intraventricular" else (scale * place[0], scale * place[1]),
        radii=(radius, radius * float(rng.uniform(1.0, 1.5))),
        rough=random_waves(rng, 1.3 * radius + 5 if kind == "intraparenchymal" else 45.0, 10, 0.5),
        basal=basal,
    )


def _deep(rng: np.random.Generator, side: float) -> tuple[float, float]:
    """Putamen or thalamus."""
    x, y = ((26, -5), (14, 7))[int(rng.integers(2))]
    return side * (x + rng.uniform(-2, 3)), y + rng.uniform(-3, 3)


def _lobar(rng: np.random.Generator, side: float) -> tuple[float, float]:
    return side * rng.uniform(24, 38), rng.uniform(-42, 42)
