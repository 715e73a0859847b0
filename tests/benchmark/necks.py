"""Windows of slices out of the volumes that preparation leaves, beside decoding the DICOM files at every epoch.

The published code needed decoders of compressed pixels for the competition's files; so what is demanded is demanded
against these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.epochs import anonymous_memory
from benchmark.measurements import Line, fastest, one_thread
from fuzz.encodings import encoded
from hounsfield.competitions.rsna2022.neck_phantom.dicom_files import dicom_bytes
from hounsfield.competitions.rsna2022.neck_phantom.plans import plan_study
from hounsfield.competitions.rsna2022.neck_phantom.recipe import PhantomRecipe
from hounsfield.competitions.rsna2022.neck_phantom.studies import draw_study
from hounsfield.core.imaging.boxes import Box
from hounsfield.core.storage.volumes import write_volume
from hounsfield.core.training.augmentation import flip_contrast_rotate_distort_holes
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.core.training.draws import seed_of
from hounsfield.core.training.stack_augmentation import augment_stack
from hounsfield.spine.config import IntensityConfig, WindowsConfig
from hounsfield.spine.slice_window_data import WindowKind, Windows, WindowStudy
from reference.published_windows import published_window

DRAWN = 8  # slices; the study repeats them
JPEG = "lossless JPEG"
FORMS = {"uncompressed": None, JPEG: "1.2.840.10008.1.2.4.70"}
AT_LEAST = {JPEG: 10.0}  # times the published way
FLAT = 1.1
COLUMNS = 15  # of a fracture window's targets
EPOCHS = 8  # draws of the augmentation that a time is the mean of
SEED = 0


class NeckFiles(NamedTuple):
    """One study on disk."""

    volume: Path
    folders: dict[str, Path]  # of DICOM files 1.dcm and on, by FORMS
    slices: int
    square: Box  # about what a box of a neck is


def neck_lines(folder: Path, *, slices: int, pixels: int, few: int, many: int, repeats: int) -> list[Line]:
    """Measure in `folder`. slices: of a window. pixels: a side. few, many: studies whose memory is compared."""
    files = write_neck(folder, slices, pixels)
    windows, augmentation = windows_of(files, 1, pixels, slices), flip_contrast_rotate_distort_holes(pixels)
    square = (files.square.x0, files.square.y0, files.square.x1, files.square.y1)

    def read(form: str, epoch: int = UNAUGMENTED) -> np.ndarray:
        def change(grey: np.ndarray) -> None:
            if epoch != UNAUGMENTED:
                augment_stack(augmentation, grey, seed_of(SEED, epoch, 0))

        return published_window(files.folders[form], 1, slices, square, pixels, change)

    works: list[Callable[[], object]] = [partial(read, form) for form in FORMS]
    works += [partial(read, JPEG, epoch) for epoch in range(EPOCHS)]
    works += [partial(windows.__getitem__, (epoch, 0)) for epoch in (UNAUGMENTED, *range(EPOCHS))]
    with one_thread():
        seconds = fastest(works, repeats)
    theirs, theirs_augmented, ours, augmented = np.split(seconds, np.cumsum([len(FORMS), EPOCHS, 1]))
    note = f"{slices} slices of {pixels} x {pixels} pixels, one process and one thread, as loaders have"
    return [
        *(
            Line(what=f"windows of a fracture network against {form} files", measured=1 / ours.mean(), unit="windows/s",
                 reference=1 / slow, at_least=AT_LEAST.get(form), note=f"{note}; cropped and resized, not augmented")
            for form, slow in zip(FORMS, theirs, strict=True)
        ),
        Line(what=f"the same, augmented, against {JPEG} files", measured=1 / augmented.mean(), unit="windows/s",
             reference=1 / theirs_augmented.mean(), at_least=AT_LEAST[JPEG],
             note=f"{note}; the mean of {EPOCHS} draws; the augmentation is ours in both"),
        memory_line(files, few, many, slices),
    ]  # fmt: skip


def memory_line(files: NeckFiles, few: int, many: int, slices: int) -> Line:
    """The memory of this process after a window of each of `few` studies, and then of each of `many`."""
    marks = []
    for count in (few, many):
        windows = windows_of(files, count, 64, slices)
        for row in range(count):
            windows[(UNAUGMENTED, row)]
        marks.append(anonymous_memory())
    what = f"memory over the windows of {many} studies against {few}"
    return Line(what=what, measured=marks[1], unit="MB", reference=marks[0], at_most=FLAT,
                note="targets of all studies included; volumes are read by memory map")  # fmt: skip


def write_neck(folder: Path, slices: int, pixels: int) -> NeckFiles:
    """A study of `slices` slices as DICOM files of each form and as a volume."""
    plan = plan_study(PhantomRecipe(size=pixels), 0)
    middle = len(plan.heights) // 2
    plan = replace(plan, heights=plan.heights[middle : middle + DRAWN], numbers=np.arange(1, DRAWN + 1))
    hu = draw_study(plan).hu[np.arange(slices) % DRAWN]
    folders = {name: folder / name.replace(" ", "_") for name in FORMS}
    for name, path in folders.items():
        path.mkdir(parents=True)
        for number in range(1, min(DRAWN, slices) + 1):
            plain, syntax = dicom_bytes(plan, number, hu[number - 1]), FORMS[name]
            (path / f"{number}.dcm").write_bytes(encoded(plain, syntax) if syntax else plain)
        for number in range(DRAWN + 1, slices + 1):
            (path / f"{number}.dcm").hardlink_to(path / f"{(number - 1) % DRAWN + 1}.dcm")
    write_volume(folder / "volume.npy", hu, hu.shape)
    edge = pixels // 4
    return NeckFiles(folder / "volume.npy", folders, slices, Box(edge, edge, pixels - edge, pixels - edge))


def windows_of(
    files: NeckFiles, studies: int, pixels: int, slices: int, intensity: IntensityConfig | None = None
) -> Windows:
    """One window of each of as many studies, which share their volume's file."""
    targets = [np.zeros((files.slices, COLUMNS), np.float32) for _ in range(studies)]
    found = [WindowStudy(str(number), files.volume, files.square, own) for number, own in enumerate(targets)]
    kind = WindowKind(WindowsConfig(slices=slices), intensity or IntensityConfig(), pixels, per_triplet=True)
    rows = np.stack([np.arange(studies), np.zeros(studies, int)], axis=1)
    return Windows(found, rows, kind, (SEED,), remedy="", volume_remedy="")
