"""The kind of loop that the published system of 2019 trains and predicts with, on today's torch.

Images are opened by Pillow, the crop is sought in each of them at every load, and they are normalised in the loader
(specification of the 2nd-place system, section 2); contiguous memory, fp16 with gradient scaling, Adam, one GPU. The
published code reads by OpenCV and augments by a library; here both are Pillow's. B images of S pixels a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gpu_checks.runs import Clock, clocked
from hounsfield.hemorrhage.losses import hemorrhage_loss

MEAN = np.array([0.22363983, 0.18190407, 0.2523437], np.float32)
STD = np.array([0.32451536, 0.2956294, 0.31335256], np.float32)
ROTATED, DEGREES = 0.3, 20  # probability, at most


class PillowImages(Dataset[tuple[Tensor, Tensor]]):
    """Prepared images, cropped, resized, changed at random and normalised one by one."""

    def __init__(self, files: Sequence[Path], labels: np.ndarray, size: int) -> None:
        """labels: (N, 6) float32. size: S."""
        self._files, self._labels, self._size = files, labels, size

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        """One image (3, S, S) float32 and its labels (6,)."""
        image = squared(np.asarray(Image.open(self._files[row])))
        image = image.resize((self._size, self._size), Image.Resampling.BILINEAR)
        flip, turn, transpose = torch.rand(3).tolist()
        if flip < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if turn < ROTATED:
            image = image.rotate((2 * turn / ROTATED - 1) * DEGREES, Image.Resampling.BILINEAR)
        if transpose < 0.5:
            image = image.transpose(Image.Transpose.TRANSPOSE)
        normalised = (np.asarray(image, np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1))), torch.from_numpy(
            self._labels[row]
        )


def squared(pixels: np.ndarray) -> Image.Image:
    """What is not black, in the upper left corner of a black square."""
    shown = pixels.max(axis=2) > 0
    if not shown.any():
        return Image.fromarray(pixels)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    part = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    square = np.zeros((max(part.shape[:2]), max(part.shape[:2]), 3), np.uint8)
    square[: part.shape[0], : part.shape[1]] = part
    return Image.fromarray(square)


def run_as_published(
    network: nn.Module, images: PillowImages, device: torch.device, *, batch: int, workers: int, learn: bool
) -> Clock:
    """Every image once, to learn from it or to predict it."""
    network.train(learn)
    optimizer, scaler, clock = (
        torch.optim.Adam(network.parameters(), lr=2e-5),
        torch.amp.GradScaler(device.type),
        Clock(),
    )
    loader = DataLoader(images, batch, shuffle=learn, num_workers=workers, pin_memory=device.type == "cuda")
    for pixels, labels in clocked(loader, clock):
        with torch.set_grad_enabled(learn), torch.autocast(device.type, dtype=torch.float16):
            logits = network(pixels.to(device, non_blocking=True))
        if not learn:
            logits.sigmoid().cpu()
            continue
        loss = hemorrhage_loss(logits, labels.to(device, non_blocking=True)).mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        loss.item()  # for the progress bar
    return clock
