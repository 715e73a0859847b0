"""Slices a second of extraction with three views in one pass, against one pass a view; pooling for a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from benchmark.measurements import Line, fastest
from benchmark.phantom_files import write_phantoms
from benchmark.preparation import prepare_into
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.training.batches import SliceImages
from hounsfield.core.training.devices import Devices
from hounsfield.hemorrhage.config import ClassifierConfig, EmbeddingConfig, View
from hounsfield.hemorrhage.images import open_slice_images
from hounsfield.hemorrhage.inference import extract_arrays

VIEWS: tuple[View, ...] = ("identity", "hflip", "transpose")
CPU = Devices(device=torch.device("cpu"), rank=0, world=1, half=None)


class Pooling(nn.Module):
    """In place of a network: the mean of each channel, and a linear layer. What it leaves is the rest of the work."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3, len(CLASSES))

    def forward_features(self, images: Tensor) -> Tensor:
        """The images as they are, (B, 3, S, S)."""
        return images

    def forward_head(self, features: Tensor, *, pre_logits: bool) -> Tensor:
        """(B, 3, S, S) -> (B, 3)."""
        pooled = features.mean(dim=(2, 3))
        return pooled if pre_logits else self.classifier(pooled)

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.classifier


def extraction_lines(folder: Path, *, drawn: int, slices: int, size: int, repeats: int) -> list[Line]:
    """Measure in `folder`. drawn: phantoms, read round and round until `slices` of them are extracted."""
    config = ClassifierConfig(size=size, workers=0)
    dataset = prepared_phantoms(folder, drawn, slices, config)

    def extract(*passes: tuple[View, ...]) -> Callable[[], None]:
        def work() -> None:
            for views in passes:
                store = folder / "store"
                extract_arrays(store, Pooling(), dataset, EmbeddingConfig(views=views), config, CPU)
                shutil.rmtree(store)

        return work

    once, thrice = fastest([extract(VIEWS), extract(*[(view,) for view in VIEWS])], repeats)
    return [
        Line(what="extraction, three views in one pass against three passes", measured=slices / once, unit="slices/s",
             reference=slices / thrice, at_least=2.5,
             note=f"{slices} slices at {size} px, one process, pooling in place of the network"),
    ]  # fmt: skip


def prepared_phantoms(folder: Path, drawn: int, slices: int, config: ClassifierConfig) -> SliceImages:
    """Prepare `drawn` phantoms of 512 x 512 and list them until there are `slices` rows."""
    images = folder / "images"
    files = write_phantoms(folder / "dicom", drawn, size=512)
    table = pd.DataFrame(prepare_into(images, files).rows)
    table[list(CLASSES)] = 0
    table = table.iloc[np.arange(slices) % len(table)].reset_index(drop=True)
    return open_slice_images(table, images, config, seed=0)
