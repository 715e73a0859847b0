"""A picture of the drawn necks: vertebrae from slice to slice, what a fracture looks like, and three planes of one."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
from matplotlib.figure import Figure

from hounsfield.competitions.rsna2022.neck_phantom.plans import StudyPlan, plan_study
from hounsfield.competitions.rsna2022.neck_phantom.recipe import PhantomRecipe
from hounsfield.competitions.rsna2022.neck_phantom.studies import Study, draw_study
from hounsfield.core.imaging.windows import BONE, apply_window
from pictures.figures import COARSE, MUTED, SMALL, TEXT, WIDTH, add_image, add_text, new_figure

SHOWN = ("C1", "C2", "C4", "C6", "C7")
FRACTURES = (("ring", "both arches"), ("hanged", "both pars"), ("burst", "body"), ("pillar", "articular pillar"),
             ("lamina", "lamina"))  # fmt: skip
WHOLE_NECK = 8  # the study that is shown from end to end
SIDE = 92.0  # mm, of what is shown around a vertebra
STEP = 1.5  # mm, between slices of the planes


def draw_necks(size: int = 512) -> Figure:
    """Slices through whole vertebrae, slices through fractures, and one neck from the side and from the front."""
    left, gap, top = 0.1, 0.06, 0.42
    width = (WIDTH - 2 * left - 4 * gap) / 5
    recipe = PhantomRecipe(size=size, spacing=(STEP, STEP))
    plan = replace(plan_study(recipe, WHOLE_NECK), fractures=())
    study = draw_study(plan)
    planes = _planes(plan, study)
    wide = (WIDTH - 2 * left - 2 * gap) / 3
    high = wide * planes[0].shape[0] * STEP / (planes[0].shape[1] * plan.pixel)
    figure = new_figure(top + 2 * width + high + 0.82, COARSE)
    add_text(figure, WIDTH / 2, 0.16, "Drawn necks, bone window", TEXT, weight="bold")
    for column, name in enumerate(SHOWN):
        x = left + column * (width + gap)
        index = int(np.argmin(np.abs(plan.heights - plan.spine[name].centre[2])))
        add_text(figure, x + width / 2, top - 0.06, name, SMALL)
        add_image(figure, (x, top, width, width), cut_vertebra(plan, name, study.hu[index]))
    below = top + width + 0.36
    for column, (kind, words) in enumerate(FRACTURES):
        x = left + column * (width + gap)
        name, image = fractured_slice(recipe, kind)
        add_text(figure, x + width / 2, below - 0.06, f"{name} fractured: {words}", SMALL)
        add_image(figure, (x, below, width, width), image)
    lowest = below + width + 0.36
    for column, (image, words) in enumerate(zip(planes, ("middle", "beside it", "from the front"), strict=True)):
        x = left + column * (wide + gap)
        add_text(figure, x + wide / 2, lowest - 0.06, words, SMALL, color=MUTED)
        add_image(figure, (x, lowest, wide, high), image)
    return figure


def fractured_slice(recipe: PhantomRecipe, kind: str) -> tuple[str, np.ndarray]:
    """The first fracture of a kind among the studies: its vertebra, and the slice that shows most of it."""
    for number in count():
        plan = plan_study(recipe, number)
        found = [one for one in plan.fractures if one.kind == kind]
        if found:
            break
    vertebra = plan.spine[found[0].vertebra]
    middle = float(np.mean([vertebra.place(cut.point)[2] for cut in found[0].cuts]))
    near = plan.heights[np.abs(plan.heights - middle) < 6]
    study = draw_study(replace(plan, heights=near, numbers=np.arange(1, len(near) + 1)))
    index = int(np.argmax(study.gaps.sum(axis=(1, 2))))
    return vertebra.name, cut_vertebra(plan, vertebra.name, study.hu[index])


def cut_vertebra(plan: StudyPlan, name: str, hu: np.ndarray) -> np.ndarray:
    """SIDE mm around a vertebra, 0..1. hu: (rows, columns)."""
    x, y, _ = plan.spine[name].place((0, 12, 0))
    half = round(SIDE / plan.pixel / 2)
    column, row = (round((at + by) / plan.pixel + plan.size / 2) for at, by in zip((x, y), plan.offset, strict=True))
    padded = np.pad(hu, half, constant_values=-1000)
    return apply_window(padded[row : row + 2 * half, column : column + 2 * half].astype(float), BONE)


def _planes(plan: StudyPlan, study: Study) -> list[np.ndarray]:
    """The middle plane, one through the articular pillars and one from the front, 0..1."""
    x, y, _ = (float(np.mean([plan.spine.line(z)[axis] for z in plan.heights])) for axis in range(3))
    column, row = (round((at + by) / plan.pixel + plan.size / 2) for at, by in zip((x, y), plan.offset, strict=True))
    beside = column + round(15 / plan.pixel)
    planes = (study.hu[:, :, column], study.hu[:, :, beside], study.hu[:, row])
    return [apply_window(plane.astype(float), BONE) for plane in planes]
