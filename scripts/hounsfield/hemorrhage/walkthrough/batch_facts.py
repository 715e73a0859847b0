"""A batch of series on its way through the network: padding, mask, the shape at every line, what is thrown away.

B series, T slices of the longest, E embedding width, H hidden units a direction, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches, epoch_order
from hounsfield.core.training.loop import Batch
from hounsfield.hemorrhage.sequence_batches import SequenceBatch, SeriesIndex
from hounsfield.hemorrhage.sequence_network import SequenceNetwork
from hounsfield.hemorrhage.training import SeriesBatches, sequence_loss


class Padding(NamedTuple):
    """How much of an epoch's batches is padding, as a share of all steps."""

    by_length: float  # in the batches of the run
    shuffled: float  # in batches as the shuffle deals them


class Line(NamedTuple):
    """One line of the network's forward pass."""

    code: str
    symbols: str  # its shape, in letters
    shape: tuple[int, ...]
    parameters: int
    words: str


class Thrown(NamedTuple):
    """What the mask takes out of a batch before its loss, and what that changes."""

    steps: int  # B * T
    padding: int
    unlabelled: int
    counted: int
    loss: float  # as it is trained on
    loss_with_padding: float  # if padding counted as slices without a bleed


def most_padded(epoch: SeriesBatches, index: SeriesIndex) -> int:
    """The number of the full batch of an epoch with the most padding."""
    full = max(len(series) for series in epoch.series)
    padding = [_padding(index.lengths[series]) if len(series) == full else -1 for series in epoch.series]
    return int(np.argmax(padding))


def _padding(lengths: np.ndarray) -> int:
    return int(lengths.max()) * len(lengths) - int(lengths.sum())


def padding_shares(epoch: SeriesBatches, index: SeriesIndex, batch_size: int, seed: int) -> Padding:
    """Of the first epoch of a run, and of the same shuffle cut into batches as it is."""

    def share(series: Sequence[np.ndarray]) -> float:
        padding = sum(_padding(index.lengths[one]) for one in series)
        return padding / (padding + int(index.lengths.sum()))

    return Padding(share(epoch.series), share(batches(epoch_order(seed, 0, len(index.lengths)), batch_size)))


@torch.no_grad()
def trace(network: SequenceNetwork, batch: SequenceBatch) -> tuple[list[Line], dict[str, Tensor]]:
    """Send a batch through the network, and note the shape at every line; and the values there, by name."""
    seen: dict[str, Any] = {}
    layers = dict(network.named_children())
    hooks = [layer.register_forward_hook(_noting(seen, name)) for name, layer in layers.items()]
    try:
        logits = network.eval()(batch.embeddings, batch.is_slice)
    finally:
        for hook in hooks:
            hook.remove()
    embeddings = batch.embeddings
    values = {
        "steps": network.steps(embeddings, batch.is_slice),
        "first": seen["linear1"][0],
        "second": seen["linear2"][0],
        "bend1": seen["linear1"][1].relu(),
        "bend2": seen["linear2"][1].relu(),
        "twice": seen["project"][1] if "project" in seen else torch.cat([embeddings, embeddings], dim=-1),
        "hidden": seen["linear"][0],
        "logits": logits,
    }
    return _lines(network, embeddings, values), values


def _noting(seen: dict[str, Any], name: str) -> Any:
    def note(_: nn.Module, given: tuple[Any, ...], found: Any) -> None:
        seen[name] = (given[0], found)

    return note


def _lines(network: SequenceNetwork, embeddings: Tensor, values: dict[str, Tensor]) -> list[Line]:
    weights = {name: sum(one.numel() for one in layer.parameters()) for name, layer in network.named_children()}
    skip = "cat([e, e])" if network.project is None else "project(e)"
    why = "widths agree, so the embedding is added twice side by side" if network.project is None else (
        "a learned projection, as 2H is not 2E here"
    )  # fmt: skip
    lines = [
        ("e = embeddings", "B, T, E", "embeddings", "", "one vector per slice, zeros on padding"),
        ("x = with_deltas(e)", "B, T, 3E", "steps", "", "the vector and its two differences"),
        (
            "first = lstm1(x)",
            "B, T, 2H",
            "first",
            "lstm1",
            "reads up and down the series; the two answers side by side",
        ),
        ("second = lstm2(first)", "B, T, 2H", "second", "lstm2", "the same again, on what the first has found"),
        ("bend1 = relu(linear1(first))", "B, T, 2H", "bend1", "linear1", "a way past the second layer"),
        ("bend2 = relu(linear2(second))", "B, T, 2H", "bend2", "linear2", "and one on top of it"),
        (f"skip = {skip}", "B, T, 2H", "twice", "project", f"a way past both layers; {why}"),
        ("h = first + second + bend1 + bend2 + skip", "B, T, 2H", "hidden", "", "all five are added up"),
        ("logits = linear(h)", "B, T, C", "logits", "linear", "a number per class for every slice"),
    ]
    known = {**values, "embeddings": embeddings}
    return [
        Line(code, symbols, tuple(known[value].shape), weights.get(layer, 0), words)
        for code, symbols, value, layer, words in lines
    ]


@torch.no_grad()
def thrown_away(network: SequenceNetwork, part: Batch, weights: tuple[float, ...], devices: Devices) -> Thrown:
    """What the mask takes out of a training batch. part: as SeriesBatches gives it. weights: (C,), of the loss."""
    batch: SequenceBatch = part.samples
    losses = sequence_loss(network.eval(), devices, weights)(batch).cpu()  # (B, T)
    counted, slices = part.weights > 0, batch.is_slice
    return Thrown(
        steps=slices.numel(),
        padding=int((~slices).sum()),
        unlabelled=int((slices & ~counted).sum()),
        counted=int(counted.sum()),
        loss=float((losses * part.weights).sum()),
        loss_with_padding=float(losses[counted | ~slices].mean()),
    )


@torch.no_grad()
def change_by_company(network: SequenceNetwork, batch: SequenceBatch, *, packed: bool) -> float:
    """The largest change of a probability when a series is predicted alone and not in this batch.

    packed: whether padding is inert; the network is put back as it was.
    """
    before, network.packed = network.packed, packed
    try:
        together = network.eval()(batch.embeddings, batch.is_slice).sigmoid()
        largest = 0.0
        for place, slices in enumerate(batch.is_slice):
            own = batch.embeddings[place][slices].unsqueeze(0)  # (1, n, E)
            alone = network(own, slices[slices].unsqueeze(0)).sigmoid()[0]
            largest = max(largest, float((together[place][slices] - alone).abs().max()))
    finally:
        network.packed = before
    return largest
