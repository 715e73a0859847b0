"""Slices a second of preparation: against the published algorithm, against its floor, and on two cores."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from pydicom import dcmread

from benchmark.measurements import Line, fastest
from benchmark.phantom_files import link_files, write_phantoms
from hounsfield.competitions.rsna2019.preparation import prepare_file
from hounsfield.competitions.rsna2019.source import GIVEN_NAMES
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.executors import run_chunks
from hounsfield.core.intake.journal import Prepared, refusal_of_killed_file
from hounsfield.core.intake.prepare_files import Task, prepare_chunk
from hounsfield.core.storage.image_files import encode_jpeg, image_path, read_image
from reference.published_preparation import published_prepare

FILES_PER_CHUNK = 8  # small, so that two workers end at nearly the same time
QUALITY = 95
UNIT = "slices/s"


def preparation_lines(folder: Path, *, drawn: int, linked: int, size: int, repeats: int) -> list[Line]:
    """Measure in `folder`."""
    files = write_phantoms(folder / "drawn", drawn, size=size)
    fresh = (new_folder(folder / f"images{number}", files) for number in itertools.count())
    first = next(fresh)
    prepare_into(first, files)  # what the floor encodes; and the first files of a process import the readers
    windowed = [read_image(image_path(first, GIVEN_NAMES.image_id(file))) for file in files]
    own, plain_own = (iter([next(fresh) for _ in range(repeats)]) for _ in range(2))
    ours, plain, decoded, bare = fastest(
        [
            lambda: prepare_into(next(own), files),
            lambda: prepare_plainly(next(plain_own), files),
            lambda: floor(files, windowed, decode_by_pydicom),
            lambda: floor(files, windowed, take_pixels),
        ],
        repeats,
    )
    rate = drawn / ours
    many = link_files(files, folder / "linked", linked)
    one, two = (steady_rate(next(fresh), many, jobs) for jobs in (1, 2))
    shape = f"{drawn} phantoms of {size} x {size}"
    return [
        Line(what="preparation, a core, against the published algorithm", measured=rate, unit=UNIT,
             reference=drawn / plain, at_least=5, note=shape),
        Line(what="preparation, a core, against the floor", measured=rate, unit=UNIT,
             reference=drawn / decoded, at_least=0.6,
             note="the floor reads a file, decodes it with pydicom, encodes the finished image, and no more"),
        Line(what="preparation, a core, against the floor without parsing", measured=rate, unit=UNIT,
             reference=drawn / bare, note="the same, with the pixels taken from their known place"),
        Line(what="preparation, 2 cores against 1", measured=two, unit=UNIT, reference=one, at_least=1.7,
             note=f"{linked} links to the phantoms, {cv2.getNumberOfCPUs()} cores; without the start of the processes"),
    ]  # fmt: skip


def new_folder(images: Path, files: Sequence[SourceFile]) -> Path:
    """An empty folder with the subfolders that its images will lie in: at full size their making weighs nothing."""
    for file in files:
        image_path(images, GIVEN_NAMES.image_id(file)).parent.mkdir(parents=True, exist_ok=True)
    return images


def prepare_into(images: Path, files: Sequence[SourceFile], *, repair: bool = True) -> Prepared:
    """Prepare `files` as stage 01 does."""
    prepare = partial(prepare_file, images=images, naming=GIVEN_NAMES, repair_intercept=repair, jpeg_quality=QUALITY)
    return prepare_chunk([Task(file) for file in files], prepare=prepare)


def prepare_plainly(images: Path, files: Sequence[SourceFile]) -> None:
    """Prepare `files` by the published algorithm."""
    for file in files:
        published_prepare(Path(file.container) / file.name, images)


def floor(files: Sequence[SourceFile], windowed: list[np.ndarray], decode: Callable[[bytes, int], np.ndarray]) -> None:
    """Read, decode and encode, and nothing else. windowed: the finished images."""
    for file, image in zip(files, windowed, strict=True):
        decode(file.read(), image.shape[0] * image.shape[1])
        encode_jpeg(image, QUALITY)


def decode_by_pydicom(content: bytes, _: int) -> np.ndarray:
    """The stored values, by the library that everyone uses."""
    return dcmread(BytesIO(content)).pixel_array


def take_pixels(content: bytes, pixels: int) -> np.ndarray:
    """The stored values of an uncompressed phantom, which stand at its end."""
    return np.frombuffer(content, np.int16, pixels, len(content) - 2 * pixels)


def steady_rate(images: Path, files: Sequence[SourceFile], jobs: int) -> float:
    """Slices a second over a pool of `jobs` processes, from the time on when all of them are at work."""
    chunks = [files[start : start + FILES_PER_CHUNK] for start in range(0, len(files), FILES_PER_CHUNK)]
    results = run_chunks(partial(prepare_into, images), chunks, refusal_of_killed_file, jobs=jobs)
    warm = min(4 * jobs, len(chunks) - 1)  # chunks until then; the processes import what they need in their first
    start = 0.0
    for number, _ in enumerate(results, 1):
        if number == warm:
            start = time.perf_counter()
    return sum(map(len, chunks[warm:])) / (time.perf_counter() - start)
