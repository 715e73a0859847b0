"""Embeddings of slices: the vector after global average pooling, in several views (RSNA 2019, 2nd place, section 3).

B slices, S pixels a side, E embedding width, V views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hounsfield.core.logs import progress
from hounsfield.core.training.batches import UNAUGMENTED, SliceImages, load_batches
from hounsfield.core.training.blocks import has_block, write_block
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import chunked
from hounsfield.core.training.networks import embed, last_layer
from hounsfield.hemorrhage.config import ClassifierConfig, EmbeddingConfig, View
from hounsfield.hemorrhage.images import normalise
from hounsfield.hemorrhage.paths import LOGITS, array_path

SEE: dict[View, Callable[[Tensor], Tensor]] = {  # images are (B, 3, S, S)
    "identity": lambda images: images,
    "hflip": lambda images: images.flip(-1),
    "transpose": lambda images: images.transpose(-1, -2),
}


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
            embeddings.append(embed(network, SEE[view](images)).float())
    return embeddings, last_layer(network)(torch.stack(embeddings).mean(dim=0))


def extract_blocks(
    folder: Path,
    network: nn.Module,
    dataset: SliceImages,
    config: EmbeddingConfig,
    classifier: ClassifierConfig,
    devices: Devices,
) -> range:
    """Write this process's share of the blocks that are missing. Returns the first rows of all blocks.

    Batches are cut by row number, so a slice is always computed among the same others, whatever the number of
    processes; and a block is written when all its views are, so one decode serves them all.
    """
    network.eval()
    starts = range(0, len(dataset), config.batch_size * config.block_batches)
    names = [*config.views, LOGITS]
    todo = [
        start
        for start in starts[devices.rank :: devices.world]
        if not all(has_block(array_path(folder, name), start) for name in names)
    ]
    batches = [
        [np.arange(start, len(dataset))[part.start : part.stop] for part in _parts(start, starts, dataset, config)]
        for start in todo
    ]
    loader = load_batches(
        dataset,
        [(UNAUGMENTED, rows) for block in batches for rows in block],
        workers=classifier.workers,
        pin=devices.device.type == "cuda",
    )
    for start, block in progress(list(zip(todo, batches, strict=True)), unit="block", label="embed"):
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for _ in block:
            images = normalise(next(loader).images.to(devices.device, non_blocking=True), classifier)
            embeddings, logits = embed_views(network, images, config.views, devices)
            for view, values in zip(config.views, embeddings, strict=True):
                found[view].append(values.cpu().numpy().astype(config.dtype))
            found[LOGITS].append(logits.float().cpu().numpy())
        for name, arrays in found.items():
            write_block(array_path(folder, name), start, np.concatenate(arrays))
    return starts


def _parts(start: int, starts: range, dataset: SliceImages, config: EmbeddingConfig) -> Sequence[range]:
    """The batches of the block that begins at row `start`, counted from there."""
    return chunked(min(starts.step, len(dataset) - start), config.batch_size)
