"""The brain in one slice: folded cortex, white matter, nuclei, brain stem and cerebellum, fluid spaces, dura."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import Canvas, blend, ramp

from .head import BASE_TOP, Frame, Vault
from .spaces import Shift

FLUID, NUCLEUS, DURA = 7.0, 36.0, 56.0  # HU


@dataclass(frozen=True)
class Brain:
    """hu: the tissue as if the brain filled the grid. Lengths in mm, shares 0..1; all (rows, columns)."""

    hu: Array
    sulcus: Array  # distance to the nearest sulcus' middle
    reach: Array  # depth of the sulci here less the depth below the surface: positive where a sulcus may be
    fissures: Array  # Sylvian and interhemispheric fissures and cisterns, with their surroundings (for blood)
    ventricles: Array


def draw_brain(frame: Frame, vault: Vault, pressed: Array, shift: Shift) -> Brain:
    """The brain of one slice. pressed: (rows, columns), mm by which blood outside the brain presses its surface in."""
    head, z = frame.head, vault.z
    surface = vault.depth - pressed
    depth = _with_medial_surface(frame, surface, z, vault.edge, shift)
    sulcus, reach, wide = _sulci(frame, depth + _core(frame, z), z)
    open_sulci = _open_sulci(head.spaces.atrophy, sulcus, reach, wide, surface, pressed, shift, frame.grid.x)
    grey = np.maximum(ramp(3.6 - depth, 3.0), ramp(3.4 - sulcus, 3.2) * ramp(reach + 2.5, 3.0))
    tissue = head.white + (head.grey - head.white) * grey
    tissue += np.float32(0.9) * (wide - 0.3)
    if z < BASE_TOP + 8:
        open_sulci = _cerebellum(frame, vault, tissue, open_sulci)
    fissures, ventricles = _paint_spaces(frame, vault, tissue, shift)
    tissue += np.float32(4.0) * np.exp(-np.clip(vault.depth, 0, 40) * np.float32(1 / 5))  # the skull hardens the beam
    tissue -= _pale_caps(head.spaces.atrophy, ventricles)
    blend(tissue, FLUID, np.maximum(np.maximum(open_sulci, fissures), ventricles))
    _paint_dense(frame, vault, tissue, shift)
    return Brain(tissue, sulcus, reach, fissures, ventricles)


def _with_medial_surface(frame: Frame, surface: Array, z: float, edge: tuple[float, float], shift: Shift) -> Array:
    """Depth below the nearest cortex, where the walls of the fissure between the hemispheres are surface too."""
    h = z / frame.head.scale
    if h < 16:
        return surface
    y = np.linspace(edge[0], edge[1], 64)
    x = shift.move(np.stack([frame.head.spaces.midline(y, h), y], axis=1))[:, 0]
    falx = np.interp(frame.grid.y[:, frame.grid.shape[1] // 2], y, x).astype(np.float32)[:, None]
    half = 38 * np.sqrt(max(0.0, 1 - max(0.0, (h - 50) / 22) ** 2)) + 0.01  # half-length of the corpus callosum
    joined = 40 * np.clip(1.25 - ((frame.grid.y + 1) / np.float32(half)) ** 2, 0, 1) if h < 72 else np.float32(0)
    return np.minimum(surface, np.abs(frame.grid.x - falx) + joined)


def _core(frame: Frame, z: float) -> Array | np.float32:
    """Extra depth, mm, that keeps folds out of brain stem, hypothalamus and thalamus."""
    if z > 50:
        return np.float32(0)
    x, y = frame.grid.x, frame.grid.y
    return np.asarray(40 * np.exp(-((x / 21) ** 2) - ((y - 3) / 21) ** 2), np.float32)


def _sulci(frame: Frame, depth: Array, z: float) -> tuple[Array, Array, Array]:
    """Distance to the sulci, how much deeper they may reach, and a broad unevenness. Folds start at the surface."""
    head = frame.head
    x, y = frame.grid.coarse
    height = np.float32(z - 22)
    away = np.sqrt(x**2 + (y - 4) ** 2 + height**2) + np.float32(4)
    onto = np.float32(64) / away + np.float32(0.20)
    field = head.sulci.at(x * onto, (y - 4) * onto, height * onto)
    step = (float(x[0, 1] - x[0, 0]) ** 2 + float(y[0, 1] - y[0, 0]) ** 2) ** 0.5
    down, across = np.gradient(field, np.float32(step))
    signed = field / np.sqrt(down**2 + across**2 + np.float32(0.0006))
    broad = head.broad.at(x, y, z)
    wide = frame.grid.refine(broad)
    return np.abs(frame.grid.refine(signed)), np.float32(12.5) + np.float32(3.0) * wide - depth, wide


def _open_sulci(
    atrophy: float, sulcus: Array, reach: Array, wide: Array, surface: Array, pressed: Array, shift: Shift, x: Array
) -> Array:
    """The share of fluid: gaping sulci, and the rim between brain and skull; both close where the brain is pressed."""
    half = np.float32(0.15 + 0.6 * atrophy) + np.float32(0.25 + 0.2 * atrophy) * wide + np.float32(0.035) * reach
    rim = np.float32(0.15 + 1.0 * atrophy) + np.float32(0.7 * atrophy) * wide
    if shift.side:
        closed = np.float32(1.3 * shift.narrow) * ramp(x * np.float32(shift.side), 20)
        half, rim = half - closed, rim - closed
    gap = np.clip((half - sulcus) * np.float32(0.9) + np.float32(0.35), 0, 1) * ramp(reach, 4.0)
    return np.maximum(gap * np.float32(0.92), ramp(rim - surface, 1.2) * (pressed < 0.5))


def _cerebellum(frame: Frame, vault: Vault, tissue: Array, open_sulci: Array) -> Array:
    """Below the tentorium: narrow folia, no sulci; the tentorium itself as a thin bright sheet."""
    grid, scale, z = frame.grid, frame.head.scale, vault.z
    side = np.abs(grid.x)
    roof = scale * 44 - 0.52 * side - 0.40 * np.clip(grid.y - 20, 0, None)
    under = (roof - z) * np.float32(0.85)
    behind = grid.y - (0.60 * np.clip(side, 12, None) - 12)
    below = ramp(np.minimum(under, behind), 1.5)
    x, y = frame.grid.coarse
    folia = frame.grid.refine(frame.head.fine.at(x * 0.6, y * 1.3, z * 0.8))
    core = ramp(12 - np.hypot(side - 19, (grid.y - 36) * 0.8), 8)  # white matter of each hemisphere
    blend(tissue, 33.5 + 1.5 * folia - 4 * core, below)
    edge = ramp(1.0 - np.abs(under), 1.0) * ramp(behind, 2) * ramp(side - 13, 3) * ramp(grid.y - 10, 6)
    tissue += np.float32(11) * edge
    rim = ramp(1.2 * frame.head.spaces.atrophy + 0.2 - vault.depth, 1.2)
    cleft = np.float32(0.35) * ramp(folia - 1.1, 0.6) * ramp(9 - vault.depth, 5)
    # Between the petrous bones the beam is hardened most: a dark band across the pons, as most scanners show.
    dark = np.exp(-(((grid.y - 9) / 7) ** 2)) * np.float32(np.exp(-((z / 9) ** 2)))
    tissue -= np.float32(7) * dark * ramp(48 - side, 20)
    return open_sulci * (1 - below) + below * np.maximum(rim, cleft)


def _paint_spaces(frame: Frame, vault: Vault, tissue: Array, shift: Shift) -> tuple[Array, Array]:
    head, grid, z = frame.head, frame.grid, vault.z
    spaces = head.spaces
    if 25 < z < 62:
        nuclei = Canvas(grid)
        spaces.nuclei(nuclei, z, shift)
        blend(tissue, NUCLEUS, np.float32(0.85) * nuclei.coverage(1.1))
    outside = Canvas(grid)
    if z < BASE_TOP + 8:
        spaces.cisterns(outside, z, shift)
    spaces.fissures(outside, z, vault.edge, shift)
    ventricles = Canvas(grid)
    lean = head.skull
    height = z + lean.roll * spaces.chains[:, 0] + lean.pitch * spaces.chains[:, 1]
    spaces.ventricles(ventricles, height, z, shift)
    return outside.coverage(0.55), ventricles.coverage(0.6)


def _pale_caps(atrophy: float, ventricles: Array) -> Array:
    """HU by which the white matter around the ventricles of an old brain is darker."""
    rows, columns = ventricles.shape
    small = cv2.resize(ventricles, (columns // 4, rows // 4), interpolation=cv2.INTER_AREA)
    halo = cv2.GaussianBlur(small, (0, 0), 0.012 * rows)
    return np.asarray(np.float32(14 * atrophy**1.5) * cv2.resize(halo, (columns, rows)), np.float32)


def _paint_dense(frame: Frame, vault: Vault, tissue: Array, shift: Shift) -> None:
    """Falx and sinus, then the calcifications that most adults have."""
    head, z = frame.head, vault.z
    dura = Canvas(frame.grid)
    head.spaces.dura(dura, z, vault.edge, shift)
    blend(tissue, DURA, np.float32(0.85) * dura.coverage(0.25))
    pineal, left, right = head.calcified
    spots = [(0.0, 16.5, 41.0, pineal), (24.5, 31.0, 50.0, left), (-24.5, 32.0, 50.0, right)]
    chalk = Canvas(frame.grid)
    for x, y, height, radius in spots:
        away = (z / head.scale - height) / (radius + 2.5)
        if radius and abs(away) < 1:
            at = shift.move(head.scale * np.array([[x, y], [x * 1.05, y + 2.2]]))
            chalk.discs(at, radius * np.sqrt(1 - away**2) * np.array([1.0, 0.6]))
    blend(tissue, 190.0, chalk.coverage(0.4))
