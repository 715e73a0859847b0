"""The weights of a finished network, of the classifier as of the sequence network."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.checkpoints import load_weights, weights_name


def read_weights(network: Upstream, epoch: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights of a finished network after one of its epochs, and the facts beside them, each by its digest."""
    path = network.file(weights_name(epoch))
    network.file(path.with_suffix(".json").name)
    return load_weights(path, remedy=network.remedy)
