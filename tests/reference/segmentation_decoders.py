"""The decoders of the three segmentation networks, from the specification of SIIM-ACR 2019's 1st place, section 4.

    C(i,o) = 3x3 conv, padding 1, bias, ReLU, no normalisation.
    AlbuNet. Decoder block D(i,m,o) = bilinear x2 (align_corners False), C(i,m), C(m,o):
        center = D(2x2 max pool of layer4); dec5 = D(cat(center, layer4)); dec4 = D(cat(dec5, layer3));
        dec3 = D(cat(dec4, layer2)); dec2 = D(cat(dec3, layer1)); dec1 = D(dec2); dec0 = C(32,32), then 1x1 conv 32->1
    U-Net base of the other two. Four levels, each: nearest x2 -> C(in,d) -> cat with skip -> bottleneck C(d+skip,d).
        Then nearest x2 -> C to L channels -> 1x1 conv to 1.
    SCSEUNet appends to each of its 4 bottlenecks an scSE block: channel gate = global average -> 1x1 d->d/2 -> ReLU
        -> 1x1 d/2->d -> sigmoid (with bias); spatial gate = 1x1 d->1 without bias -> sigmoid; output = element-wise
        maximum of the two gated tensors.

By hand, the pieces. A kernel that takes the pixel above, ten times the right one and a hundred times the one at the
lower left, less 10, of 1 2 over 3 4: 20 and 300 over 1 + 40 and 2, so 10, 290, 31, and 0 in place of -8.

>>> kernel = np.array([[[[0, 1, 0], [0, 0, 10], [100, 0, 0]]]])
>>> convolution({"c.0.weight": kernel, "c.0.bias": np.array([-10])}, "c", np.array([[[1, 2], [3, 4]]])).tolist()
[[[10.0, 290.0], [31.0, 0.0]]]

Of twice as many pixels the centres lie a quarter before and behind the old ones; beyond the outermost all is the same.

>>> bilinear_twice(np.array([[[0, 4]]])).tolist(), nearest_twice(np.array([[[0, 4]]])).tolist()
([[[0.0, 1.0, 3.0, 4.0], [0.0, 1.0, 3.0, 4.0]]], [[[0, 0, 4, 4], [0, 0, 4, 4]]])
>>> bilinear_twice(np.array([[[0], [4]]])).tolist()
[[[0.0, 0.0], [1.0, 1.0], [3.0, 3.0], [4.0, 4.0]]]
>>> max_pooled(np.array([[[1, 2, 7, 6], [4, 3, 5, 8]]])).tolist()
[[[4, 8]]]

A block enlarges first: 0 4 becomes 0 1 3 4, then each takes its right neighbour, which is 0 beyond the edge.

>>> right = np.array([[[[0, 0, 0], [0, 0, 1], [0, 0, 0]]]])
>>> shift = {"b.first.0.weight": right, "b.second.0.weight": centred([[1]])}
>>> block(shift | {"b.first.0.bias": np.zeros(1), "b.second.0.bias": np.zeros(1)}, "b", np.array([[[0, 4]]])).tolist()
[[[1.0, 3.0, 4.0, 0.0], [1.0, 3.0, 4.0, 0.0]]]

scSE of two channels, 1 3 and -2 2, whose averages are 2 and 0; s(ln 3) = 3/4, s(-ln 3) = 1/4, s(2 ln 3) = 9/10. Half
the first average is 1, and opens the channels by s(ln 3) and s(-ln 3); the pixels open by s(-2 ln 3) and s(2 ln 3):

    by channel    .75  2.25   -.5   .5       by pixel    .1  2.7   -.2  1.8       larger    .75  2.7   -.2  1.8

With a bias of -3 what is squeezed is -2, so 0, and the channels open by s(0): .5 1.5 and -1 1.

>>> ln3, features = np.log(3), np.array([[[1, 3]], [[-2, 2]]])
>>> gate = {
...     "g.channel.1.weight": np.array([[[[0.5]], [[1]]]]), "g.channel.1.bias": np.zeros(1),
...     "g.channel.3.weight": np.array([[[[ln3]]], [[[-ln3]]]]), "g.channel.3.bias": np.zeros(2),
...     "g.spatial.0.weight": np.array([[[[0]], [[ln3]]]]),
... }
>>> scse(gate, "g", features).round(9).tolist()
[[[0.75, 2.7]], [[-0.2, 1.8]]]
>>> scse(gate | {"g.channel.1.bias": np.array([-3])}, "g", features).round(9).tolist()
[[[0.5, 2.7]], [[-0.2, 1.8]]]

The wiring, by hand, with a channel everywhere, features that are the same in all pixels, and kernels of which only the
centre is not 0. AlbuNet, layers 1 to 4 being 1, 2, 3 and 5:

    center   2 * 5 + 1          = 11   3 * 11 - 30 = 3
    dec5     1 * 3  + 2 * 5     = 13   13 - 6      = 7
    dec4     1 * 7  + 3 * 3     = 16   16 - 5      = 11
    dec3     1 * 11 + 4 * 2     = 19   19 - 2      = 17
    dec2     1 * 17 + 5 * 1     = 22   22 + 1      = 23
    dec1     2 * 23             = 46   46 - 40     = 6
    dec0     6 and -6, so 0            final  10 * 6 + 0 - 3 = 57

>>> layers = [np.full((1, size, size), value) for value, size in ((1, 16), (2, 8), (3, 4), (5, 2))]
>>> found = albunet(albunet_hand_weights(), layers)
>>> found.shape, np.unique(found).tolist()
((1, 64, 64), [57.0])

The U-Net, stem and layers 1 to 4 being 1, 2, 3, 5 and 7:

    level 0    2 * 7    = 14    1 * 14 + 2 * 5 = 24
    level 1    24 - 10  = 14    1 * 14 + 3 * 3 = 23
    level 2    23 - 5   = 18    1 * 18 + 4 * 2 = 26
    level 3    26 - 1   = 25    1 * 25 + 5 * 1 = 30
    last       30 and -30, so 0    final  10 * 30 + 0 - 3 = 297

With scSE whose numbers are all 0 both gates are s(0) = 1/2, and every level ends at half of what it was:
24 / 2 = 12; 12 - 10 + 9 = 11, 5.5; 5.5 - 5 + 8 = 8.5, 4.25; 4.25 - 1 + 5 = 8.25, 4.125; 10 * 4.125 - 3 = 38.25.

>>> layers = [np.full((1, size, size), value) for value, size in ((1, 16), (2, 8), (3, 4), (5, 2), (7, 1))]
>>> found = unet(unet_hand_weights(), layers)
>>> found.shape, np.unique(found).tolist()
((1, 32, 32), [297.0])
>>> gates = {f"levels.{level}.{name}": values for level in range(4) for name, values in HALF_OPEN.items()}
>>> np.unique(unet(unet_hand_weights() | gates, layers)).tolist()
[38.25]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# C channels, h x w pixels. Weights: a state dict, of which a convolution with its ReLU is `<name>.0`
Weights = Mapping[str, np.ndarray]


def albunet(weights: Weights, layers: Sequence[np.ndarray]) -> np.ndarray:
    """Logits (1, S, S) of one image. layers: its features, (C, h, w) each, of layer1 (S/4) to layer4 (S/32)."""
    layer1, layer2, layer3, layer4 = layers
    center = block(weights, "center", max_pooled(layer4))
    dec5 = block(weights, "decoder5", np.concatenate([center, layer4]))
    dec4 = block(weights, "decoder4", np.concatenate([dec5, layer3]))
    dec3 = block(weights, "decoder3", np.concatenate([dec4, layer2]))
    dec2 = block(weights, "decoder2", np.concatenate([dec3, layer1]))
    dec1 = block(weights, "decoder1", dec2)
    dec0 = convolution(weights, "decoder0", dec1)
    return convolved(dec0, weights["head.weight"], weights["head.bias"])


def unet(weights: Weights, layers: Sequence[np.ndarray]) -> np.ndarray:
    """Logits (1, S, S) of one image, with scSE where there are weights of it.

    layers: its features, (C, h, w) each, of the stem (S/2) and layer1 to layer4 (S/32).
    """
    stem, layer1, layer2, layer3, x = layers
    for level, skip in enumerate((layer3, layer2, layer1, stem)):
        enlarged = convolution(weights, f"levels.{level}.enlarged", nearest_twice(x))
        x = convolution(weights, f"levels.{level}.bottleneck", np.concatenate([enlarged, skip]))
        if f"levels.{level}.gate.spatial.0.weight" in weights:
            x = scse(weights, f"levels.{level}.gate", x)
    last = convolution(weights, "last", nearest_twice(x))
    return convolved(last, weights["head.weight"], weights["head.bias"])


def block(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """D: (C, h, w) -> (C', 2h, 2w)."""
    return convolution(weights, f"{name}.second", convolution(weights, f"{name}.first", bilinear_twice(x)))


def convolution(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """C: (C, h, w) -> (C', h, w)."""
    return np.maximum(convolved(x, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"]), 0)


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Each pixel's neighbourhood times the kernel, with 0 around the image. weight: (C', C, k, k), k odd."""
    _, height, width = x.shape
    margin = weight.shape[2] // 2
    framed = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
    total = np.zeros((len(weight), height, width)) + bias[:, None, None]
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            total += np.tensordot(weight[:, :, i, j], framed[:, i : i + height, j : j + width], axes=1)
    return total


def scse(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """(C, h, w) -> the same shape."""
    squeeze, excite, spatial = (weights[f"{name}.{part}.weight"] for part in ("channel.1", "channel.3", "spatial.0"))
    squeezed = np.maximum(squeeze[:, :, 0, 0] @ x.mean(axis=(1, 2)) + weights[f"{name}.channel.1.bias"], 0)
    by_channel = logistic(excite[:, :, 0, 0] @ squeezed + weights[f"{name}.channel.3.bias"])
    by_pixel = logistic(np.tensordot(spatial[0, :, 0, 0], x, axes=1))
    return np.maximum(x * by_channel[:, None, None], x * by_pixel)


def bilinear_twice(x: np.ndarray) -> np.ndarray:
    """(C, h, w) -> (C, 2h, 2w)."""
    for axis in (1, 2):
        places = np.arange(x.shape[axis])
        before = np.take(x, np.maximum(places - 1, 0), axis)
        behind = np.take(x, np.minimum(places + 1, len(places) - 1), axis)
        x = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * behind], axis + 1)
        x = x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])
    return x


def nearest_twice(x: np.ndarray) -> np.ndarray:
    """(C, h, w) -> (C, 2h, 2w)."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def max_pooled(x: np.ndarray) -> np.ndarray:
    """The largest of two by two pixels: (C, 2h, 2w) -> (C, h, w)."""
    rows = np.maximum(x[:, 0::2], x[:, 1::2])
    return np.maximum(rows[:, :, 0::2], rows[:, :, 1::2])


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# ---- the cases at the top of this file

HALF_OPEN = {  # scSE of one channel, none between
    "gate.channel.1.weight": np.zeros((0, 1, 1, 1)),
    "gate.channel.1.bias": np.zeros(0),
    "gate.channel.3.weight": np.zeros((1, 0, 1, 1)),
    "gate.channel.3.bias": np.zeros(1),
    "gate.spatial.0.weight": np.zeros((1, 1, 1, 1)),
}
HEAD = {"head.weight": np.array([[[[10]], [[1]]]]), "head.bias": np.array([-3])}


def centred(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """A kernel of which only the centre is not 0. rows: (C', C)."""
    kernel = np.zeros((len(rows), len(rows[0]), 3, 3))
    kernel[:, :, 1, 1] = rows
    return kernel


def hand_weights(parts: Sequence[tuple[str, list[list[float]], float]]) -> dict[str, np.ndarray]:
    """parts: name, (C', C) of the kernel's centre, and the bias of all its channels."""
    weights = dict(HEAD)
    for name, rows, bias in parts:
        weights |= {f"{name}.0.weight": centred(rows), f"{name}.0.bias": np.full(len(rows), bias)}
    return weights


def albunet_hand_weights() -> dict[str, np.ndarray]:
    return hand_weights(
        [
            ("center.first", [[2]], 1), ("center.second", [[3]], -30),
            ("decoder5.first", [[1, 2]], 0), ("decoder5.second", [[1]], -6),
            ("decoder4.first", [[1, 3]], 0), ("decoder4.second", [[1]], -5),
            ("decoder3.first", [[1, 4]], 0), ("decoder3.second", [[1]], -2),
            ("decoder2.first", [[1, 5]], 0), ("decoder2.second", [[1]], 1),
            ("decoder1.first", [[2]], 0), ("decoder1.second", [[1]], -40),
            ("decoder0", [[1], [-1]], 0),
        ]
    )  # fmt: skip


def unet_hand_weights() -> dict[str, np.ndarray]:
    return hand_weights(
        [
            ("levels.0.enlarged", [[2]], 0), ("levels.0.bottleneck", [[1, 2]], 0),
            ("levels.1.enlarged", [[1]], -10), ("levels.1.bottleneck", [[1, 3]], 0),
            ("levels.2.enlarged", [[1]], -5), ("levels.2.bottleneck", [[1, 4]], 0),
            ("levels.3.enlarged", [[1]], -1), ("levels.3.bottleneck", [[1, 5]], 0),
            ("last", [[1], [-1]], 0),
        ]
    )  # fmt: skip
