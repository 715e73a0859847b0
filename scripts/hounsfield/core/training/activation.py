"""Where a classifier looks: class activation maps of its last features (Grad-CAM).

B images of S pixels a side, C classes, K channels of h x w features.
Source: R. Selvaraju et al., Grad-CAM, International Conference on Computer Vision 2017, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from hounsfield.core.errors import WrongUse
from hounsfield.core.imaging.heat import Cut, on_whole_slice
from hounsfield.core.training.batches import UNAUGMENTED, SliceImages, load_batches
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches

IMAGES_PER_BATCH = 8  # the features of more of them would not fit a small computer at the published size
CHANNELS_LAST = "NHWC"  # how some of timm's networks hand on their features


class _Head(nn.Module):
    """What a network makes of its last features, which pass through `features`, where they can be watched."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.features = nn.Identity()
        self._network = cast(Any, network)

    def forward(self, features: Tensor) -> Tensor:
        """(B, K, h, w) -> logits (B, C)."""
        watched = self.features(features)
        turned = watched.permute(0, 2, 3, 1) if _channels_last(self._network) else watched
        logits: Tensor = self._network.forward_head(turned)
        return logits


def class_activations(network: nn.Module, images: Tensor, classes: int, devices: Devices) -> Tensor:
    """The part of each class's logit that every place of the last features adds: (B, C, h, w) float32, from 0 on.

    network: timm's, in the mode to predict in, on the device. images: (B, 3, S, S), normalised. The features are
    computed once, and each class costs the network's head alone; what the logits are goes through no softmax, so the
    maps of classes and images compare. Nothing of the network changes, and no gradient is left.
    Raises WrongUse where the network has no map of features, as a vision transformer has not.
    """
    with torch.no_grad(), devices.autocast():
        features: Tensor = cast(Any, network).forward_features(images)
    if features.ndim != 4:
        raise WrongUse(
            f"{type(network).__name__} has no map of features that could be shown: choose a convolutional one"
        )
    features = features.permute(0, 3, 1, 2) if _channels_last(network) else features
    features = features.float() if devices.half is not None else features
    head = _Head(network)
    maps = LayerGradCam(head, head.features)
    found = [maps.attribute(features, target=c, relu_attributions=True).detach() for c in range(classes)]
    return torch.cat(found, dim=1).float()


def activations_of_slices(
    network: nn.Module,
    images: SliceImages,
    normalise: Callable[[Tensor], Tensor],
    classes: int,
    devices: Devices,
    cuts: Sequence[Cut] | None = None,
) -> np.ndarray:
    """The maps of a few slices without random changes, laid over them: (N, C, GRID, GRID) float32.

    normalise: images (B, S, S, 3) as loaded -> (B, 3, S, S). cuts: (N,) what the network sees of each; None: all of it.
    """
    rows = batches(np.arange(len(images)), IMAGES_PER_BATCH)
    keys = [(UNAUGMENTED, one) for one in rows]
    found = []
    for own, batch in zip(rows, load_batches(images, keys, workers=0, device=devices.device), strict=True):
        maps = class_activations(network, normalise(batch.images.to(devices.device)), classes, devices).cpu().numpy()
        seen = [None] * len(own) if cuts is None else [cuts[row] for row in own]
        found += [on_whole_slice(one, cut) for one, cut in zip(maps, seen, strict=True)]
    return np.stack(found)


def _channels_last(network: nn.Module) -> bool:
    return str(getattr(network, "output_fmt", "")).endswith(CHANNELS_LAST)
