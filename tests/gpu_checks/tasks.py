"""What is trained: both systems' classifiers and the sequence network, on numbers that are drawn here.

N images or slices, E embedding width, H hidden units, C classes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmark.sequences import LONGEST, SHORTEST
from gpu_checks.runs import Task
from gpu_checks.sizes import Sizes
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.training.backbones import build_network
from hounsfield.core.training.batches import SliceImages
from hounsfield.core.training.classifier import Classifier, classifier_loss, epoch_batches
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.loop import EpochBatches
from hounsfield.hemorrhage.config import ClassifierConfig, HemorrhageConfig, SequenceConfig
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore, SeriesIndex
from hounsfield.hemorrhage.sequence_network import SequenceNetwork
from hounsfield.hemorrhage.training import SeriesBatches, sequence_loss
from hounsfield.hemorrhage.training import classifier_of as hemorrhage_classifier
from hounsfield.stacking.config import NetworkConfig, StackingConfig, TrainingConfig
from hounsfield.stacking.training import classifier_of as stacking_classifier


def tasks_of(sizes: Sizes) -> dict[str, Task]:
    """What is compared with the CPU, and between processes, by name."""
    bytes_ = noise(sizes.batch * sizes.steps, sizes.pixels, 0, 255, np.uint8)
    values = noise(sizes.batch * sizes.steps, sizes.pixels, -150, 230, np.float32)  # HU
    network = NetworkConfig(
        name="", backbone=sizes.stacking, size=sizes.pixels, seed=0, hu_noise=0, hu_noise_predicting=0
    )
    config = StackingConfig(networks=(network,), training=TrainingConfig(batch_size=sizes.batch, workers=0))
    return {
        "hemorrhage classifier": classifier_task(small_classifier(sizes.hemorrhage, sizes), bytes_),
        "stacking classifier": classifier_task(stacking_classifier(config, network, Path(), 0), values),
        "sequence network": sequence_task(sizes.width, sizes.hidden, sizes.series_per_batch, sizes.steps),
        "layer norm classifier": classifier_task(small_classifier(sizes.layer_norm, sizes), bytes_),
    }


def small_classifier(backbone: str, sizes: Sizes) -> Classifier:
    """The first system's, at the sizes of the comparison."""
    settings = ClassifierConfig(backbone=backbone, size=sizes.pixels, batch_size=sizes.batch, workers=0)
    return hemorrhage_classifier(HemorrhageConfig(classifier=settings), Path(), "0")


def classifier_task(classifier: Classifier, images: SliceImages) -> Task:
    """A classifier as its system describes it."""

    def build(devices: Devices) -> nn.Module:
        torch.manual_seed(0)
        return devices.place(build_network(classifier.backbone, classifier.classes))

    batches, loss = partial(epoch_batches, classifier, images), partial(classifier_loss, classifier)
    return Task(classifier.backbone, build, batches, loss)


def noise(count: int, pixels: int, lowest: float, highest: float, dtype: type[np.generic]) -> SliceImages:
    """Images of noise; how bright one is decides on its labels."""
    brightness = np.random.default_rng(0).uniform(0.1, 1, count)

    def draw(name: str, checksum: int, row: int, epoch: int) -> np.ndarray:
        brightest = lowest + (highest - lowest) * brightness[row]
        return np.random.default_rng(row).uniform(lowest, brightest, (pixels, pixels, 3)).astype(dtype)

    ids = np.char.mod("ID_%09x", np.arange(count))
    labels = brightness[:, None] > np.linspace(0.2, 0.9, len(CLASSES))
    return SliceImages(ids, np.zeros(count), labels, draw, remedy="Choose smaller sizes")


def sequence_task(
    width: int, hidden: int, batch: int, steps: int, *, by_length: bool = True, packed: bool = True
) -> Task:
    """The sequence network on series of noise, whose first numbers decide on the labels.

    by_length: batches of series of similar length, padded at their ends. packed: padding is left out by the network.
    """
    rng = np.random.default_rng(0)
    lengths = rng.integers(SHORTEST, LONGEST + 1, batch * steps)
    index = SeriesIndex(np.cumsum(lengths) - lengths, lengths)
    embeddings = rng.standard_normal((int(lengths.sum()), width), np.float32)
    store, labels = EmbeddingStore([embeddings]), (embeddings[:, : len(CLASSES)] > 0).astype(np.float32)
    config = SequenceConfig(batch_size=batch, packed=by_length)

    def build(devices: Devices) -> nn.Module:
        torch.manual_seed(0)
        return SequenceNetwork(width, hidden, packed=packed).to(devices.device)

    def batches(epoch: int, devices: Devices) -> EpochBatches:
        return SeriesBatches(store, index, labels, config, devices, seed=0, epoch=epoch)

    return Task(f"E {width}, H {hidden}", build, batches, sequence_loss, fp16_on_cpu=False)
