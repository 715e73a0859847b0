"""What a study has: its anatomy, its fractures, its mimics, and how it is scanned. All depends on seed and number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.seeds import random_stream
from hounsfield.core.phantom_kit.waves import Waves, random_waves

from ..labels import VERTEBRAE
from .fractures import APOPHYSIS, Fracture, random_fractures
from .recipe import PhantomRecipe
from .soft_tissue import Tissue
from .spine import Spine, random_spine

FRACTURED_SHARE = 0.47  # of the studies; the competition's 961 of 2019
ABOVE, BELOW = (4.0, 22.0), (4.0, 20.0)  # mm that a scan shows above C1's and below T1's middle, beyond 12 mm
STREAMS = 1, 2  # of the plan, of fractures; slices use 3


@dataclass(frozen=True)
class Bone:
    """What a patient's bone is like."""

    cancellous: float  # HU
    cortex: float  # HU
    thickness: float  # mm, of the cortex
    trabeculae: Waves
    rough: Waves  # of the surface


@dataclass(frozen=True)
class StudyPlan:
    """A study but for its pixels."""

    seed: int
    number: int
    size: int
    field: float  # mm, width of the picture
    heights: NDArray[np.float64]  # of the slices, from head to feet; mm in neck coordinates
    numbers: NDArray[np.int64]  # of their files, from head to feet
    offset: tuple[float, float]  # mm, of the neck in the picture
    rotation: float  # radians
    table: tuple[float, float, float]  # mm added to every position
    noise: float  # HU
    streaks: float
    girth: float
    spine: Spine
    tissue: Tissue
    bone: Bone
    cells: Waves  # of the mastoids
    apophyses: tuple[str, ...]  # vertebrae with an ununited one
    fractures: tuple[Fracture, ...]

    @property
    def pixel(self) -> float:
        """Mm."""
        return self.field / self.size

    @property
    def labels(self) -> tuple[int, ...]:
        """patient_overall, then C1 to C7: 1 is fractured."""
        broken = {one.vertebra for one in self.fractures}
        return (int(bool(broken)), *(int(name in broken) for name in VERTEBRAE))


def plan_study(recipe: PhantomRecipe, number: int) -> StudyPlan:
    """Decide everything about a study but the pixels."""
    rng = random_stream(recipe.seed, STREAMS[0], number)
    spine = random_spine(rng)
    girth = float(np.clip(rng.normal(1.0, 0.07) * (0.5 + 0.5 * spine.scale), 0.85, 1.16))
    field = float(rng.uniform(178, 214)) * girth
    first = spine["C1"].centre[2] + 12 + rng.uniform(*ABOVE)
    last = spine["T1"].centre[2] - 12 - rng.uniform(*BELOW)
    spacing = float(rng.uniform(*recipe.spacing))
    heights = np.arange(first, last, -spacing)
    numbers = np.arange(1, len(heights) + 1)
    tissue = Tissue(
        fat=float(rng.uniform(3.0, 11.0)), muscle=float(rng.normal(57, 3)), bulk=float(rng.uniform(1.02, 1.22)),
        broad=random_waves(rng, 42.0, 8, 0.4), fine=random_waves(rng, 4.5, 8, 0.5),
    )  # fmt: skip
    bone = Bone(
        cancellous=float(rng.uniform(210, 340)), cortex=float(rng.uniform(820, 1150)),
        thickness=float(rng.uniform(0.9, 1.35)), trabeculae=random_waves(rng, 3.0, 8, 0.5),
        rough=random_waves(rng, 8.0, 6, 0.4),
    )  # fmt: skip
    streams = random_stream(recipe.seed, STREAMS[1], number)
    fractured = streams.random() < FRACTURED_SHARE
    return StudyPlan(
        seed=recipe.seed,
        number=number,
        size=recipe.size,
        field=field,
        heights=heights,
        numbers=numbers if rng.random() < 0.5 else numbers[::-1].copy(),
        offset=(float(rng.normal(0, 4)), float(rng.normal(4, 5))),
        rotation=float(rng.normal(0, 0.04)),
        table=(float(rng.normal(0, 3)), float(-180 + rng.normal(0, 8)), float(rng.normal(0, 300))),
        noise=float(rng.uniform(9, 20)),
        streaks=float(rng.uniform(0.3, 1.3)),
        girth=girth,
        spine=spine,
        tissue=tissue,
        bone=bone,
        cells=random_waves(rng, 5.0, 10, 0.5),
        apophyses=tuple(name for name in VERTEBRAE[2:] if rng.random() < APOPHYSIS),
        fractures=random_fractures(streams, recipe.severity, field / recipe.size) if fractured else (),
    )
