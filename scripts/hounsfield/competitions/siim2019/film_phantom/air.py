"""The pneumothorax: where air has come between lung and chest wall, and the edge of the lung that it pushed away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.waves import random_waves

from .thorax import SIDES, Outlines

Kind = Literal["apical", "lateral", "basal", "collapse"]
LINE = 0.9  # mm, how thick the visceral pleura is seen


@dataclass(frozen=True)
class Air:
    """What is planted in one patient."""

    side: str
    kind: Kind
    width: float  # mm between wall and lung, where it is widest


@dataclass(frozen=True)
class AirInLung:
    """What a pneumothorax does to one film."""

    region: Array  # 0..1, pleural air in front of and behind no lung
    line: Array  # 0..1, the edge of the lung
    share: float  # of the lung's area


def random_air(rng: np.random.Generator) -> Air:
    """From a sliver to a collapsed lung."""
    kind: Kind = rng.choice(["apical", "lateral", "basal", "collapse"], p=[0.45, 0.28, 0.1, 0.17])
    low, high = {"apical": (9, 42), "lateral": (7, 34), "basal": (10, 32), "collapse": (48, 95)}[kind]
    return Air(str(rng.choice(list(SIDES))), kind, float(low + (high - low) * rng.beta(1.3, 1.7)))


def draw_air(rng: np.random.Generator, grid: Grid, shape: Outlines, lung: Array, air: Air) -> AirInLung:
    """lung: 0..1, the share of each pixel within the lung of that side."""
    wall = shape.walls[air.side]
    top, bottom = float(wall[:, 1].min()), float(wall[:, 1].max())
    height = np.clip((grid.y - np.float32(top)) / np.float32(bottom - top), 0, 1)  # 0 at the apex, 1 at the base
    profile = {
        "apical": np.exp(-((height / 0.34) ** 2)) * 1.0 + 0.10 * (1 - height),
        "lateral": np.exp(-(((height - 0.42) / 0.36) ** 2)),
        "basal": np.exp(-(((height - 1.0) / 0.28) ** 2)),
        "collapse": 0.72 + 0.28 * np.exp(-(((height - 0.25) / 0.4) ** 2)),
    }[air.kind]
    wobble = random_waves(rng, 150.0, 5, 0.4).at(grid.x, grid.y, 0.0) * np.float32(0.06)
    wide = np.float32(air.width) * (profile.astype(np.float32) + wobble * np.sqrt(profile).astype(np.float32))
    depth = wide - _from_wall(grid, wall)  # mm within the air
    region = np.clip(depth / np.float32(max(grid.spacing, 0.5)) + np.float32(0.5), 0, 1) * lung
    line = np.exp(-np.square((depth + np.float32(LINE / 2)) / np.float32(max(LINE, grid.spacing) * 0.6))) * lung
    line *= wide > LINE * 1.5
    return AirInLung(region, np.asarray(line, np.float32), float(region.sum() / max(1.0, float(lung.sum()))))


def _from_wall(grid: Grid, wall: np.ndarray) -> Array:
    """How far each pixel is from the chest wall, mm."""
    free = np.full(grid.shape, 255, np.uint8)
    at = wall @ grid.to_pixel[:, :2].T + grid.to_pixel[:, 2]
    cv2.polylines(free, [np.rint(at * 16).astype(np.int32)[:, None]], False, 0, 1, cv2.LINE_8, 4)
    return np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, 5) * np.float32(grid.spacing), np.float32)
