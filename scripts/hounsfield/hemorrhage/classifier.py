"""Prediction with the slice classifier (RSNA 2019, 2nd place, section 2). N slices, 6 classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.devices import Devices
from hounsfield.core.training import batches
from hounsfield.hemorrhage.config import ClassifierConfig
from hounsfield.hemorrhage.slice_images import UNAUGMENTED, SliceImages, load_batches, normalise


@torch.no_grad()
def predict_slices(network: nn.Module, dataset: SliceImages, config: ClassifierConfig, devices: Devices) -> np.ndarray:
    """Probabilities of all slices of `dataset`, (N, 6) float64, the same in every process.

    The processes share the batches; each adds its rows to a table of zeros, and the tables are summed.
    """
    network.eval()
    own = batches(np.arange(len(dataset)), config.batch_size)[devices.rank :: devices.world]
    found = torch.zeros(len(dataset), len(CLASSES), dtype=torch.float64)
    pin = devices.device.type == "cuda"
    for rows, batch in zip(own, load_batches(dataset, own, UNAUGMENTED, workers=config.workers, pin=pin), strict=True):
        images = normalise(batch.images.to(devices.device, non_blocking=True), config)
        with devices.autocast():
            logits = network(images)
        found[rows] = logits.double().sigmoid().cpu()
    return devices.total(found.to(devices.device)).cpu().numpy()
