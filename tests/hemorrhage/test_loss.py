from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.hemorrhage.inference import VIEW_TRANSFORMS, embed_views
from hounsfield.hemorrhage.losses import hemorrhage_loss


@given(st.lists(st.floats(-8, 8), min_size=6, max_size=6), st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_the_loss_is_six_parts_all_classes_and_one_part_any(logits: list[float], labels: list[int]) -> None:
    found = hemorrhage_loss(torch.tensor([logits]), torch.tensor([labels], dtype=torch.float32))
    p = 1 / (1 + np.exp(-np.array(logits)))
    losses = [-np.log(a) if y else -np.log(1 - a) for a, y in zip(p, labels, strict=True)]
    np.testing.assert_allclose(float(found[0]), (6 * np.mean(losses) + losses[5]) / 7, rtol=1e-4, atol=1e-5)


def test_views_are_what_their_names_say() -> None:
    images = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert VIEW_TRANSFORMS["identity"](images) is images
    assert VIEW_TRANSFORMS["hflip"](images)[0, 0, 0].tolist() == [3, 2, 1, 0]
    assert VIEW_TRANSFORMS["transpose"](images)[0, 0, 0].tolist() == [0, 4, 8]


def test_one_pass_over_all_views_equals_a_pass_for_each() -> None:
    from hounsfield.core.training.backbones import build_network, last_layer
    from hounsfield.core.training.devices import Devices

    network = build_network("test_resnet", 6).eval()
    devices = Devices(torch.device("cpu"), rank=0, world=1, half=None)
    images = torch.randn(3, 3, 64, 64)
    together, logits = embed_views(network, images, ("identity", "hflip", "transpose"), devices)
    for view, embedding in zip(("identity", "hflip", "transpose"), together, strict=True):
        alone, _ = embed_views(network, VIEW_TRANSFORMS[view](images), ("identity",), devices)
        torch.testing.assert_close(embedding, alone[0])
    with torch.no_grad():
        torch.testing.assert_close(logits, last_layer(network)(sum(together) / 3))
