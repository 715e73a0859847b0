"""Prediction with one classifier: the mean over random passes. N slices, P passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from hounsfield.core.logs import progress
from hounsfield.core.training.batches import SliceImages, load_batches
from hounsfield.core.training.blocks import has_block, write_block
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches
from hounsfield.stacking.config import PredictionConfig, TrainingConfig
from hounsfield.stacking.images import normalise


@torch.no_grad()
def predict_blocks(
    path: Path,
    network: nn.Module,
    images: SliceImages,
    config: PredictionConfig,
    training: TrainingConfig,
    devices: Devices,
) -> range:
    """Write this process's share of the missing blocks of the array (N, 6) float64. Returns the blocks' first rows.

    What is drawn for a slice depends on the pass and the slice alone, and batches are cut by row number: a probability
    does not depend on the number of processes, and a killed run goes on with the blocks that are missing.
    """
    network.eval()
    starts = range(0, len(images), config.batch_size * config.block_batches)
    todo = [start for start in starts[devices.rank :: devices.world] if not has_block(path, start)]
    blocks = [
        [
            (number, rows)
            for rows in batches(np.arange(start, min(start + starts.step, len(images))), config.batch_size)
            for number in range(config.passes)
        ]
        for start in todo
    ]
    loader = load_batches(
        images,
        [batch for block in blocks for batch in block],
        workers=training.workers,
        pin=devices.device.type == "cuda",
    )
    for start, block in progress(list(zip(todo, blocks, strict=True)), unit="block", label="predict"):
        found = np.zeros((block[-1][1][-1] + 1 - start, 6))
        for _, rows in block:
            with devices.autocast():
                logits = network(normalise(next(loader).images.to(devices.device, non_blocking=True), training))
            found[rows - start] += logits.double().sigmoid().cpu().numpy()
        write_block(path, start, found / config.passes)
    return starts
