"""The masks of films: from run lengths or from mask images to PNGs of 0 and 255 at the films' prepared size.

They are drawn anew in each preparation: what is wrong with a table of masks shows before anything is trained, and a
mask is a few milliseconds of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from hounsfield.competitions.siim2019.paths import SUFFIX
from hounsfield.competitions.siim2019.rle import read_runs, union
from hounsfield.competitions.siim2019.rle_table import Fault, RleRow
from hounsfield.core.errors import Refused
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.executors import SECONDS_PER_FILE, file_time_limit, run_chunks
from hounsfield.core.logs import progress
from hounsfield.core.storage.image_files import encode_png, image_path, store_image

MASKS_PER_CHUNK = 64
USUAL_HEIGHTS = (256, 512, 1024, 2048)  # of films that masks are encoded for
PERIOD_SHARE = 0.9  # of a mask's pixels that recur after as many pixels as its film is high
LARGEST_SHARE = 0.5  # of a film; no pneumothorax covers more: both lungs together do not
GREY_SHARE = 0.01  # pixels of a mask image between black and white; with more of them it is no mask


class Annotation(NamedTuple):
    """What is known of one film's mask: rows of a table, or an image."""

    rows: tuple[RleRow, ...] = ()
    image: SourceFile | None = None


class MaskTask(NamedTuple):
    """One labelled film as it came, (rows, columns) pixels, and its annotation."""

    film_id: str
    shape: tuple[int, int]
    annotation: Annotation


class Mask(NamedTuple):
    """What became of one film's mask."""

    film_id: str
    pixels: int = 0  # at the prepared size
    crc32: int | None = None  # of the PNG; None where there is no mask
    other_height: int = 0  # of the film that its run lengths seem to be made for, where that is another one
    fault: Fault | None = None


def draw_masks(
    tasks: Sequence[MaskTask], folder: Path, size: int, *, jobs: int | None, dask_scheduler: str | None
) -> list[Mask]:
    """Write the masks of the positive films, `size` pixels square, and remove those that are of none any more."""
    chunks = [tasks[start : start + MASKS_PER_CHUNK] for start in range(0, len(tasks), MASKS_PER_CHUNK)]
    work = partial(_draw_chunk, folder=folder, size=size)
    drawn = run_chunks(work, chunks, _killed, jobs=jobs, dask_scheduler=dask_scheduler)
    masks = [mask for chunk in progress(drawn, total=len(chunks), unit="chunk", label="masks") for mask in chunk]
    positive = {mask.film_id for mask in masks if mask.crc32 is not None}
    for path in folder.glob(f"*/*{SUFFIX}"):
        if path.name.removesuffix(SUFFIX) not in positive:
            path.unlink()
    return masks


def _draw_chunk(tasks: Sequence[MaskTask], *, folder: Path, size: int) -> list[Mask]:
    cv2.setNumThreads(1)  # the processes are the parallelism
    masks = []
    for task in tasks:
        try:
            with file_time_limit(SECONDS_PER_FILE):
                masks.append(_draw(task, folder, size))
        except Refused as refusal:
            masks.append(Mask(task.film_id, fault=Fault(_place(task), task.film_id, refusal.message)))
    return masks


def _killed(task: MaskTask) -> list[Mask]:
    return [Mask(task.film_id, fault=Fault(_place(task), task.film_id, "ended the process that read it"))]


def _place(task: MaskTask) -> str:
    annotation = task.annotation
    return (
        annotation.image.label if annotation.image else f"row {', '.join(str(row.number) for row in annotation.rows)}"
    )


def _draw(task: MaskTask, folder: Path, size: int) -> Mask:
    """Draw one mask. Raises Refused."""
    mask = own_mask(task)
    if not mask.any():
        return Mask(task.film_id)
    other = 0 if task.annotation.image is not None else other_height(mask)
    resized = resize_mask(mask, size)
    crc32 = store_image(image_path(folder, task.film_id, SUFFIX), encode_png(resized * np.uint8(255)))
    return Mask(task.film_id, int(resized.sum()), crc32, other)


def own_mask(task: MaskTask) -> np.ndarray:
    """A film's mask at its own size, (rows, columns) bool. Raises Refused."""
    annotation = task.annotation
    if annotation.image is not None:
        mask = read_mask_image(annotation.image.read(), task.shape)
    else:
        mask = union([read_runs(row.text) for row in annotation.rows], task.shape)
    if mask.mean() > LARGEST_SHARE:
        raise Refused("mask_share", f"covers {mask.mean():.0%} of the film; are black and white exchanged?")
    return mask


def check_mask(task: MaskTask) -> Fault | None:
    """What is wrong with a film's annotation, None where it is a mask."""
    try:
        own_mask(task)
    except Refused as refusal:
        return Fault(_place(task), task.film_id, refusal.message)
    return None


def read_mask_image(content: bytes, shape: tuple[int, int]) -> np.ndarray:
    """A mask from the bytes of an image, (H, W) bool: white, or 1 where nothing is brighter, on black.

    shape: of the film. Raises Refused: mask_unreadable, mask_size, mask_grey.
    """
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if content else None
    if image is None:
        raise Refused("mask_unreadable", "is no image that can be read")
    if image.shape != shape:
        sizes = f"{image.shape[0]} x {image.shape[1]} pixels, its film {shape[0]} x {shape[1]}"
        raise Refused("mask_size", f"has {sizes}")
    if image.max() <= 1:
        return np.asarray(image > 0)
    if np.mean((image >= 64) & (image < 192)) > GREY_SHARE:
        raise Refused("mask_grey", "holds grey levels; a mask is black and white")
    return np.asarray(image >= 128)


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """A mask at another size, (size, size) of 0 and 1: where half of a pixel or more is covered.

    One too thin for that keeps every pixel that it touches, so that no positive film becomes a negative one.
    """
    covered = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    resized = covered >= 0.5
    return np.asarray(resized if resized.any() else covered > 0, np.uint8)


def other_height(mask: np.ndarray) -> int:
    """The usual film height, other than the mask's own, that its run lengths seem to be made for; 0 for none.

    Down the columns, a mask recurs after as many pixels as the film is high. Where nearly all of it recurs after
    another number, and less after its own, it was drawn for a film of that height.
    """
    flat = cv2.transpose(mask.view(np.uint8)).ravel()
    heights = (mask.shape[0], *(height for height in USUAL_HEIGHTS if height != mask.shape[0] and height < flat.size))
    shares = [_recurring(flat, height) for height in heights]
    best = int(np.argmax(shares))
    return heights[best] if best > 0 and shares[best] > max(PERIOD_SHARE, shares[0]) else 0


def _recurring(flat: np.ndarray, period: int) -> float:
    """The share of a mask's pixels that are covered again one period later. flat: (N,) of 0 and 1."""
    later, earlier = flat[period:], flat[:-period]
    covered = min(np.count_nonzero(later), np.count_nonzero(earlier))
    return float(np.count_nonzero(later & earlier) / covered) if covered else 0.0
