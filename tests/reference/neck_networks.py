"""What the spine system's networks make of a slice network's features (RSNA 2022, 3rd place), step by step.

    Section 2: 1280 pooled features -> Linear(4) raw box, Linear(1) presence logit. Output = 4 box values +
    sigmoid(presence).
    Section 3: each embedding repeated x3; concatenate two 16-d sinusoidal embeddings (relative slice position x200, and
    channel 0/1/2); one bidirectional LSTM layer; dropout; Linear(2 hidden -> 7), no activation.
    Section 4: concatenate the 16-d position embedding of the middle slice -> bidirectional LSTM, 1 layer, no dropout ->
    heads: segmentation (7), fracture (7), any (1); no activation.
    Section 5: bidirectional LSTM, no position embedding. Max-pool || attention. Concatenate -> Linear(8).

The equations of an LSTM and of a linear layer are those of `published_sequence`, of the attention and the sinusoids
those of the files of these names. Padding does not exist here: a sequence is as long as its study (section 8).

By hand: one feature, and one hidden unit. Gates without a weight or bias are 1/2, so that c' = (c + g) / 2 and
h = tanh(c) / 2; tanh(ln 2) = 3/5 and tanh(2 ln 2) = 15/17. Positions are all 0, whose cosines are 1.

Ratios of a study of four slices, of which the first three share the feature 1, and the last one's is 0. Forward, g
reads the channel's slowest sine, p / 10000, by 10000 ln 2; backward, the feature and the position's fastest cosine by
ln 2 each:

    slice          1                     2                     3                     4
    channel        0                     1                     2                     0
    forward   g    0                     .6                    .8823529              0
              c    0                     .3                    .5911765              .2955882
              h    0                     .1456563              .2653706              .1436350
    backward  g    .8823529              .8823529              .8823529              .6
              c    .8095588              .7367647              .5911765              .3
              h    .3346734              .3135932              .2653706              .1456563

Fractures of two triplets of features 1 and 0: forward, g reads the feature, and backward the cosine, each by ln 2; so
c is .3 and .15 forward, .45 and .3 backward, and h .1456563 and .0744425, .2109495 and .1456563. A study of the same
states, with an attention that knows no difference, has their maxima .1456563 and .2109495 and their means .1100494 and
.1783029. The heads hand on what they get, or the sum of it.

>>> case = ratio_case()
>>> found = ratios(case.weights, case.features, [0.0] * 4, [0.0, 1.0, 2.0, 0.0])
>>> bool(np.abs(found[:, [0, 6]] - case.expected).max() < 1e-6)
True
>>> case = fracture_case()
>>> found = fractures(case.weights, case.features, [0.0, 0.0])
>>> bool(np.abs(found[:, [0, 7, 14]] - case.expected).max() < 1e-6)
True
>>> case = study_case()
>>> bool(np.abs(study(case.weights, case.features)[:4] - case.expected).max() < 1e-6)
True
>>> layers = {"box.weight": np.array([[1.0], [2.0], [3.0], [4.0]]), "box.bias": np.array([0.5, 0, 0, 0])}
>>> layers |= {"presence.weight": np.array([[math.log(3)]]), "presence.bias": np.zeros(1)}
>>> [round(value, 9) for value in localizer(layers, np.array([1.0])).tolist()]
[1.5, 2.0, 3.0, 4.0, 0.75]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reference.attention_pooling import pooled
from reference.published_sequence import affine, both_directions, logistic
from reference.sinusoids import embedding

# L slices, T triplets, E features, H hidden units per direction
Weights = Mapping[str, np.ndarray]


def localizer(weights: Weights, features: np.ndarray) -> np.ndarray:
    """features: (E,) of a triplet. Returns (5,)."""
    return np.concatenate([affine(weights, "box", features), logistic(affine(weights, "presence", features))])


def ratios(weights: Weights, features: np.ndarray, positions: Sequence[float], channels: Sequence[float]) -> np.ndarray:
    """features: (T, E). positions, channels: (L,), what is embedded of each slice. Returns (L, 7)."""
    steps = []
    for z in range(len(positions)):
        steps.append(np.concatenate([features[z // 3], embedding(positions[z]), embedding(channels[z])]))
    states = both_directions(weights, "lstm", np.stack(steps))
    return np.stack([affine(weights, "head", state) for state in states])


def fractures(weights: Weights, features: np.ndarray, positions: Sequence[float]) -> np.ndarray:
    """features: (T, E). positions: (T,), of the middle slices. Returns (T, 15): ratios, fractures, any fracture."""
    steps = [np.concatenate([features[t], embedding(positions[t])]) for t in range(len(features))]
    states = both_directions(weights, "lstm", np.stack(steps))
    return np.stack([affine(weights, "head", state) for state in states])


def study(weights: Weights, features: np.ndarray) -> np.ndarray:
    """features: (T, E), no more than the network takes. Returns logits (8,)."""
    states = both_directions(weights, "lstm", features)
    w, b = weights["attention.weight"][:, 0].tolist(), weights["attention.bias"].tolist()
    return affine(weights, "head", np.array(pooled(states.tolist(), w, b, [1] * len(states))))


class HandCase(NamedTuple):
    """A case at the top of this file."""

    weights: dict[str, np.ndarray]
    features: np.ndarray  # (T, 1)
    expected: np.ndarray  # of the columns that are not 0


def no_weights(width: int, inputs: int, outputs: int) -> dict[str, np.ndarray]:
    """Zeros of one hidden unit. width: of the LSTM's input; inputs, outputs: of the head."""
    found = {"head.weight": np.zeros((outputs, inputs)), "head.bias": np.zeros(outputs)}
    for end in ("", "_reverse"):
        found[f"lstm.weight_ih_l0{end}"] = np.zeros((4, width))
        found[f"lstm.weight_hh_l0{end}"] = np.zeros((4, 1))
        found[f"lstm.bias_ih_l0{end}"] = found[f"lstm.bias_hh_l0{end}"] = np.zeros(4)
    return found


def ratio_case() -> HandCase:
    """Columns of the input: the feature, 8 sines and 8 cosines of the position, then of the channel. Row 2 is g's."""
    weights = no_weights(33, 2, 7)
    weights["lstm.weight_ih_l0"][2, 24] = 10_000 * math.log(2)
    weights["lstm.weight_ih_l0_reverse"][2, [0, 9]] = math.log(2)
    weights["head.weight"][0, 0] = weights["head.weight"][6, 1] = 1
    expected = [[0, 0.3346734], [0.1456563, 0.3135932], [0.2653706, 0.2653706], [0.1436350, 0.1456563]]
    return HandCase(weights, np.array([[1.0], [0.0]]), np.array(expected))


def fracture_case() -> HandCase:
    """Columns of the input: the feature, 8 sines and 8 cosines of the position."""
    weights = no_weights(17, 2, 15)
    weights["lstm.weight_ih_l0"][2, 0] = weights["lstm.weight_ih_l0_reverse"][2, 9] = math.log(2)
    weights["head.weight"][[0, 7]], weights["head.weight"][14] = np.eye(2), 1
    expected = [[0.1456563, 0.2109495, 0.3566058], [0.0744425, 0.1456563, 0.2200988]]
    return HandCase(weights, np.array([[1.0], [0.0]]), np.array(expected))


def study_case() -> HandCase:
    """The input is the feature alone; backward, g's bias is ln 2."""
    weights = no_weights(1, 4, 8)
    weights["lstm.weight_ih_l0"][2, 0] = math.log(2)
    weights["lstm.bias_ih_l0_reverse"] = np.array([0, 0, math.log(2), 0])
    weights |= {"attention.weight": np.zeros((2, 1)), "attention.bias": np.zeros(2)}
    weights["head.weight"][:4] = np.eye(4)
    return HandCase(weights, np.array([[1.0], [0.0]]), np.array([0.1456563, 0.2109495, 0.1100494, 0.1783029]))
