"""Embeddings of slices: the vector after global average pooling, in several views (RSNA 2019, 2nd place, section 3).

B slices, S pixels a side, E embedding width, V views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.backbones import build_network, embed, last_layer
from hounsfield.core.training.batches import UNAUGMENTED, SliceImages, load_batches
from hounsfield.core.training.blocks import fill_arrays
from hounsfield.core.training.devices import Devices
from hounsfield.hemorrhage.config import ClassifierConfig, EmbeddingConfig, View
from hounsfield.hemorrhage.images import normalise
from hounsfield.hemorrhage.paths import LOGITS, array_path
from hounsfield.hemorrhage.weights import read_weights

VIEW_TRANSFORMS: dict[View, Callable[[Tensor], Tensor]] = {  # images are (B, 3, S, S)
    "identity": lambda images: images,
    "hflip": lambda images: images.flip(-1),
    "transpose": lambda images: images.transpose(-1, -2),
}


def load_classifier(classifier: Upstream, epoch: int, devices: Devices) -> tuple[nn.Module, ClassifierConfig]:
    """A trained classifier after one of its epochs, to predict with, and the configuration that it was trained with."""
    weights, facts = read_weights(classifier, epoch)
    trained = classifier_config(facts)
    network = build_network(trained.backbone, len(label_set_of(classifier).names))
    network.load_state_dict(weights)
    return devices.place(network).eval(), trained


def classifier_config(facts: dict[str, Any]) -> ClassifierConfig:
    """The configuration that a checkpoint was trained with: crop, size and normalisation cannot differ by accident."""
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in facts["classifier"].items()}
    return ClassifierConfig(**values)


@torch.no_grad()
def embed_views(
    network: nn.Module, images: Tensor, views: Sequence[View], devices: Devices
) -> tuple[list[Tensor], Tensor]:
    """Embeddings of one batch in each view, V times (B, E) float32, and the logits of their mean, (B, 6) float32."""
    embeddings = []
    for view in views:
        with devices.autocast():
            embeddings.append(embed(network, VIEW_TRANSFORMS[view](images)).float())
    return embeddings, last_layer(network)(torch.stack(embeddings).mean(dim=0))


def extract_arrays(
    folder: Path,
    network: nn.Module,
    images: SliceImages,
    config: EmbeddingConfig,
    classifier: ClassifierConfig,
    devices: Devices,
) -> list[Path]:
    """Write the arrays of a store, those of the views and then the logits, and return their paths.

    A killed run goes on with the blocks that are missing.
    """
    paths = [array_path(folder, name) for name in (*config.views, LOGITS)]
    network.eval()

    def compute(batches: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """The embeddings (B, E) in every view, from one decoding of the images, then the logits (B, 6) float32."""
        keys = [(UNAUGMENTED, rows) for rows in batches]
        for batch in load_batches(images, keys, workers=classifier.workers, device=devices.device):
            normalised = normalise(batch.images.to(devices.device, non_blocking=True), classifier)
            embeddings, logits = embed_views(network, normalised, config.views, devices)
            yield [*(values.cpu().numpy().astype(config.dtype) for values in embeddings), logits.float().cpu().numpy()]

    size, block = config.batch_size, config.block_batches
    fill_arrays(paths, len(images), compute, devices, batch_size=size, block_batches=block)
    return paths
