"""Three epochs of batches over a whole competition: how long they take, and whether memory stays as it is.

Sequence batches are built for every series, from a sparse file of full size. Image batches are built for the first
part of each epoch's order, with all reading, checking, cropping and augmenting, from links to a few prepared images.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmark.measurements import Line
from benchmark.sequences import SERIES_A_BATCH
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.logs import Stopwatch
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.image_files import encode_jpeg, image_path
from hounsfield.core.training.batches import load_batches
from hounsfield.core.training.draws import batches, epoch_order
from hounsfield.hemorrhage.config import ClassifierConfig
from hounsfield.hemorrhage.images import IMAGE_COLUMNS, open_slice_images
from hounsfield.hemorrhage.paths import array_path
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore, build_batch, index_series, training_batches

EPOCHS = 3
MARKS = (0.1, 0.5, 1.0)  # of an epoch, where memory is looked at
FLAT = 1.05
OPEN_FILES = 256
IMAGES = 32  # that are drawn; file systems allow tens of thousands of links to each
SEED = 0


def epoch_lines(folder: Path, table: pd.DataFrame, *, width: int, images: int) -> list[Line]:
    """Measure in `folder`. table: as preparation leaves it. width: E. images: slices of each epoch that are read."""
    sequence = follow(sequence_epochs(folder / "store", table, width))
    image = follow(image_epochs(folder / "images", table, images))
    series = len(index_series(table).starts)
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    return [
        Line(what="one epoch of sequence batches", measured=min(sequence.seconds), unit="s",
             note=f"{len(table)} slices in {series} series, {SERIES_A_BATCH} a batch, E {width}, one process"),
        _memory(f"memory over {EPOCHS} epochs of sequence batches", sequence.marks),
        Line(what="image batches", measured=images / min(image.seconds), unit="images/s",
             note=f"order and batches of all {len(table)} slices, and the first {images} of each epoch read, cropped "
             "and augmented in one process"),
        _memory(f"memory over the image batches of {EPOCHS} epochs", image.marks),
        Line(what="open files after all epochs", measured=open_files, unit="files", at_most=OPEN_FILES),
    ]  # fmt: skip


class Course:
    """How epochs went."""

    def __init__(self) -> None:
        self.seconds: list[float] = []  # of each epoch
        self.marks: list[float] = []  # MB, at MARKS of each epoch


def follow(epochs: Iterator[tuple[int, Callable[[int], object]]]) -> Course:
    """Do the steps of each epoch, given as their number and a function of a step; watch the time and the memory."""
    course = Course()
    for _ in range(EPOCHS):
        watch = Stopwatch()
        steps, step = next(epochs)
        marks = [max(0, int(steps * mark) - 1) for mark in MARKS]
        for number in range(steps):
            step(number)
            if number in marks:
                course.marks += [anonymous_memory()] * marks.count(number)  # few steps: marks fall together
        course.seconds.append(watch.seconds)
    return course


def anonymous_memory() -> float:
    """Resident memory of this process in MB, without the pages of files, which the system may drop. Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 10**6
    raise RuntimeError("/proc/self/status has no line RssAnon")


def sequence_epochs(folder: Path, table: pd.DataFrame, width: int) -> Iterator[tuple[int, Callable[[int], object]]]:
    """Every series once an epoch, as stage 14 takes them."""
    folder.mkdir(parents=True)
    shape = (len(table), width)
    np.lib.format.open_memmap(array_path(folder, "identity"), mode="w+", dtype=np.float16, shape=shape).flush()
    store, index = EmbeddingStore([open_array(array_path(folder, "identity"))]), index_series(table)
    labels = table[list(CLASSES)].to_numpy(np.float32)
    for epoch in range(EPOCHS):
        chosen = training_batches(index.lengths, SERIES_A_BATCH, epoch_order(SEED, epoch, len(index.starts)))
        yield len(chosen), lambda step, chosen=chosen: build_batch(store, index, chosen[step], labels, pad_front=False)  # type: ignore[misc]


def image_epochs(folder: Path, table: pd.DataFrame, images: int) -> Iterator[tuple[int, Callable[[int], object]]]:
    """The first `images` slices of each epoch's order, as stage 12 takes them."""
    config, files = ClassifierConfig(), draw_images(folder)
    of_row = np.arange(len(table)) % len(files)
    checksums = np.array([zlib.crc32(path.read_bytes()) for path in files])
    wanted = table[[*IMAGE_COLUMNS, *CLASSES]].assign(image_crc32=checksums[of_row], x0=40, y0=20, x1=470, y1=490)
    dataset, size = open_slice_images(wanted, folder, config, SEED, names=CLASSES), config.batch_size
    names, steps = table["image_id"].to_numpy(object), -(-images // size)
    for epoch in range(EPOCHS):
        order = epoch_order(SEED, epoch, len(table))
        for row in order[: steps * size]:
            path = image_path(folder, str(names[row]))
            path.parent.mkdir(exist_ok=True)
            if not path.exists():
                path.hardlink_to(files[of_row[row]])
        loader = load_batches(
            dataset, [(epoch, rows) for rows in batches(order, size)], workers=0, device=torch.device("cpu")
        )
        yield steps, lambda step, loader=loader: next(loader)  # type: ignore[misc]


def draw_images(folder: Path) -> list[Path]:
    """A few prepared images: an oval of noise, which takes as long to decode as a head."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    inside = (x**2 / 0.7 + y**2 / 0.85 < 1)[..., np.newaxis]
    paths = [folder / f"drawn{number}.jpg" for number in range(IMAGES)]
    for path in paths:
        image = np.where(inside, rng.normal(100, 12, (512, 512, 3)), 0).clip(0, 255).astype(np.uint8)
        write_bytes(path, encode_jpeg(image, 95))
    return paths


def _memory(what: str, marks: list[float]) -> Line:
    seen = " ".join(f"{mark:.0f}" for mark in marks)
    return Line(what=what, measured=max(marks), unit="MB", reference=marks[0], at_most=FLAT,
                note=f"against 10 % of the first epoch; MB at 10, 50 and 100 % of each: {seen}")  # fmt: skip
