"""How fast the classifier is from prepared JPEG files, beside the published kind of loop and timm's own network under
torch.compile; and the sequence network at full width, with its series packed, padded and sorted.

All are measured in one run on one card. B images of S pixels a side, E embedding width, H hidden units.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmark.epochs import draw_images
from benchmark.networks import Form, inference, timed, training
from gpu_checks.published_loop import PillowImages, run_as_published
from gpu_checks.runs import Clock, clocked, lone, peak_memory, start_counting, train
from gpu_checks.sizes import Sizes
from gpu_checks.table import Check, Part
from gpu_checks.tasks import classifier_task, sequence_task
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.storage.image_files import image_path
from hounsfield.core.training.backbones import build_network
from hounsfield.core.training.batches import SliceImages
from hounsfield.core.training.classifier import predict_slices
from hounsfield.hemorrhage.config import ClassifierConfig, HemorrhageConfig
from hounsfield.hemorrhage.images import open_slice_images
from hounsfield.hemorrhage.training import classifier_of

NEVER = 10**9  # steps between saved states
TIMM = Form("bf16 channels-last compiled", torch.channels_last, torch.bfloat16, compiled=True)
MODES = {  # of the sequence network: batches of similar length, padding left out
    "packed": {"by_length": True, "packed": True},
    "padded as published": {"by_length": False, "packed": False},
    "sorted by length, padded": {"by_length": True, "packed": False},
}


class ImageSet(NamedTuple):
    """The same prepared images, for the project's loader and for Pillow's."""

    ours: SliceImages
    pillow: PillowImages


def classifier_parts(sizes: Sizes, device: torch.device, folder: Path, workers: int) -> list[Part]:
    """Training and inference of the classifier, from files and from a batch that stays on the device."""
    setting = f"{sizes.backbone} at {sizes.speed_pixels} px, batches of {sizes.speed_batch}"
    loaded = f"{setting}, {workers} loader processes"
    config = ClassifierConfig(
        backbone=sizes.backbone, size=sizes.speed_pixels, batch_size=sizes.speed_batch, workers=workers
    )
    classifier, devices = classifier_of(HemorrhageConfig(classifier=config), folder, "0"), lone(device, "auto")
    rates: dict[str, float] = {}  # of the published kind of loop

    def on_clock(name: str, what: str, clock: Clock) -> list[Check]:
        rate, share = clock.rate(sizes.speed_batch, sizes.warm_up), 100 * clock.waited(sizes.warm_up)
        found = lines(f"{name}, {what}", loaded, rate, "images/s", device, rates.get(what))
        rates.setdefault(what, rate)  # the published kind of loop comes first
        if what == "training" and "--compile" not in name:  # whose loader has filled its queue meanwhile
            waiting = f"{name}, {what}: waiting for data"
            found.append(Check(name=waiting, compared="share of the time", measured=share, unit="%"))
        return found

    def published() -> list[Check]:
        images, checks = prepared_images(folder / "published", sizes, config).pillow, []
        network = build_network(sizes.backbone, len(CLASSES)).to(device)
        for what, learn in (("training", True), ("inference", False)):
            start_counting(device)
            clock = run_as_published(network, images, device, batch=config.batch_size, workers=workers, learn=learn)
            checks += on_clock("published kind of loop, fp16", what, clock)
        return checks

    def own(compiled: bool) -> list[Check]:
        images = prepared_images(folder / f"own {compiled}", sizes, config).ours
        name = f"this project's loop, {devices.precision}{', --compile' if compiled else ''}"
        start_counting(device)
        run = train(
            classifier_task(classifier, images), devices, folder / f"run {compiled}",
            epochs=1, compiled=compiled, stop_at=sizes.warm_up + sizes.timed - 1, save_every=NEVER,
        )  # fmt: skip
        checks = on_clock(name, "training", run.clock)
        if compiled:
            first, second, *_ = run.clock.starts
            name, compared = f"{name}: first step", "compilation included"
            checks.append(Check(name=name, compared=compared, measured=second - first, unit="s"))
        else:  # stage 12 compiles for training alone
            start_counting(device)
            clock = Clock()
            for _, probabilities in clocked(predict_slices(classifier, run.network, images, devices), clock):
                probabilities.cpu()
            checks += on_clock(name, "inference", clock)
        return checks

    return [
        Part("classifier", "published kind of loop", published),
        Part("classifier", "this project's loop", partial(own, False)),
        Part("classifier", "timm's own network, compiled", partial(resident, sizes, device, setting, rates)),
        Part("classifier", "this project's loop, --compile", partial(own, True)),
    ]


def resident(sizes: Sizes, device: torch.device, setting: str, rates: Mapping[str, float]) -> list[Check]:
    """timm's own network on a batch that stays on the device. rates: of the published kind of loop."""
    checks = []
    for what, work_of in (("training", training), ("inference", inference)):
        start_counting(device)
        work = work_of(sizes.backbone, sizes.speed_pixels, sizes.speed_batch, TIMM, device)
        rate = sizes.speed_batch / timed(work, sizes.repeats, device)
        name, compared = f"timm's own network, {TIMM.name}, {what}", f"{setting}, a batch that stays on the device"
        checks += lines(name, compared, rate, "images/s", device, rates.get(what))
    return checks


def sequence_parts(sizes: Sizes, device: torch.device, folder: Path) -> list[Part]:
    """Training of the sequence network, with what stands in its batches arranged in three ways."""
    steps = sizes.warm_up + sizes.timed + 1

    def work(mode: str, precision: str) -> list[Check]:
        task = sequence_task(sizes.full_width, sizes.full_width, sizes.series_per_batch, steps, **MODES[mode])
        start_counting(device)
        place = folder / f"{mode} {precision}"
        run = train(task, lone(device, precision), place, stop_at=steps - 1, save_every=NEVER)
        name = f"sequence network, {mode}, {precision}, training"
        rate = run.clock.rate(sizes.series_per_batch, sizes.warm_up)
        compared = f"{task.name}, batches of {sizes.series_per_batch} series of 24 to 60 slices"
        return lines(name, compared, rate, "series/s", device)

    precisions = ("bf16", "fp16") if device.type == "cuda" else ("bf16",)
    return [
        Part("sequence", f"sequence network, {mode}, {precision}", partial(work, mode, precision))
        for precision in precisions
        for mode in MODES
    ]


def prepared_images(folder: Path, sizes: Sizes, config: ClassifierConfig) -> ImageSet:
    """Enough prepared images for the measured steps: a few drawn files, and links to them."""
    drawn, count = draw_images(folder), sizes.speed_batch * (sizes.warm_up + sizes.timed)
    names = [f"ID_{number:09x}" for number in range(count)]
    for number, name in enumerate(names):
        path = image_path(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(drawn[number % len(drawn)])
    checksums = np.resize([zlib.crc32(path.read_bytes()) for path in drawn], count)
    table = pd.DataFrame({"image_id": names, "image_crc32": checksums, "x0": 40, "y0": 20, "x1": 470, "y1": 490})
    labels = np.random.default_rng(0).integers(0, 2, (count, len(CLASSES))).astype(np.float32)
    table[list(CLASSES)] = labels
    files = [image_path(folder, name) for name in names]
    return ImageSet(
        open_slice_images(table, folder, config, 0, names=CLASSES), PillowImages(files, labels, config.size)
    )


def lines(
    name: str, compared: str, rate: float, unit: str, device: torch.device, beside: float | None = None
) -> list[Check]:
    """A rate, and on a GPU the peak memory since `start_counting`. beside: the published kind of loop's rate."""
    note = "" if beside is None else f"{rate / beside:.2f} x the published kind of loop"
    found = Check(name=name, compared=compared, measured=rate, unit=unit, note=note)
    return [found, *peak_memory(name, device)]
