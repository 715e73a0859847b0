"""Images a second of the classifier, trained and applied, in three forms; on a GPU also its share of the card's rate.

B images of S pixels a side.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmark.measurements import Line, fastest
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.training.backbones import build_network
from hounsfield.hemorrhage.losses import hemorrhage_loss

MATRIX = 8192  # rows and columns of the square product that measures a card's rate
WARM_UP = 2


class Form(NamedTuple):
    """How numbers lie in memory, and what a forward pass computes in."""

    name: str
    layout: torch.memory_format
    dtype: torch.dtype
    compiled: bool = False


FORMS = (
    Form("fp32 contiguous", torch.contiguous_format, torch.float32),
    Form("fp32 channels-last", torch.channels_last, torch.float32),
    Form("bf16 channels-last", torch.channels_last, torch.bfloat16),
)

# Backbone, size, batch, form, device -> what is timed
WorkOf = Callable[[str, int, int, Form, torch.device], Callable[[], object]]


def network_lines(backbone: str, *, size: int, batch: int, repeats: int, device: torch.device) -> list[Line]:
    """Inference and training of `backbone` on random images. Reported only; the first form is the reference."""
    lines = []
    for name, work_of in (("inference", inference), ("training", training)):
        rates = [batch / timed(work_of(backbone, size, batch, form, device), repeats, device) for form in FORMS]
        for form, rate in zip(FORMS, rates, strict=True):
            note = share_of_card(backbone, size, name, form, rate) if device.type == "cuda" else ""
            lines.append(
                Line(what=f"{name}, {backbone} at {size} px, batch {batch}, {form.name}", measured=rate,
                     unit="images/s", reference=rates[0], note=note)
            )  # fmt: skip
    return lines


def inference(backbone: str, size: int, batch: int, form: Form, device: torch.device) -> Callable[[], object]:
    """One forward pass without gradients."""
    network, images = _network(backbone, form, device).eval(), _images(size, batch, form, device)

    @torch.no_grad()
    def work() -> None:
        with _autocast(form, device):
            network(images)

    return work


def training(backbone: str, size: int, batch: int, form: Form, device: torch.device) -> Callable[[], object]:
    """One step: forward, loss, backward, Adam."""
    network, images = _network(backbone, form, device).train(), _images(size, batch, form, device)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-5)
    labels = torch.zeros(batch, len(CLASSES), device=device)

    def work() -> None:
        optimizer.zero_grad(set_to_none=True)
        with _autocast(form, device):
            logits = network(images)
        hemorrhage_loss(logits, labels).mean().backward()
        optimizer.step()

    return work


def timed(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Seconds of the fastest run, with a GPU's work waited for."""

    def whole() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(WARM_UP):
        whole()
    return fastest([whole], repeats)[0]


def share_of_card(backbone: str, size: int, name: str, form: Form, rate: float) -> str:
    """The work done a second as a share of the rate at which this card multiplies matrices in the same numbers."""
    done = operations(inference if name == "inference" else training, backbone, size) * rate
    possible = matrix_rate(form.dtype)
    return f"{done / 1e12:.0f} of {possible / 1e12:.0f} TFLOP/s of square matrix products, {done / possible:.0%}"


def operations(work_of: WorkOf, backbone: str, size: int) -> int:
    """Floating point operations that one image takes, counted on shapes alone."""
    work = work_of(backbone, size, 1, FORMS[0], torch.device("meta"))
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def matrix_rate(dtype: torch.dtype) -> float:
    """Floating point operations a second of a large matrix product on the GPU."""
    matrix = torch.randn(MATRIX, MATRIX, device="cuda", dtype=dtype)
    return 2 * MATRIX**3 / timed(lambda: matrix @ matrix, 10, torch.device("cuda"))


def _network(backbone: str, form: Form, device: torch.device) -> nn.Module:
    torch.manual_seed(0)
    network = build_network(backbone, len(CLASSES)).to(device).to(memory_format=form.layout)
    if form.compiled:
        network.compile()
    return network


def _images(size: int, batch: int, form: Form, device: torch.device) -> Tensor:
    return torch.rand(batch, 3, size, size, device=device).to(memory_format=form.layout)


def _autocast(form: Form, device: torch.device) -> AbstractContextManager[object]:
    return nullcontext() if form.dtype is torch.float32 else torch.autocast(device.type, dtype=form.dtype)
