"""The published sequence network, slice by slice, from the specification of the 2nd-place system, section 4.

    Input of a step: [e_t, e_t - e_{t-1}, e_t - e_{t+1}], width 3E; the first step's backward delta and the last
    step's forward delta are zero.
    Shorter ones are padded AT THE FRONT with zero vectors (after the deltas)
    lstm1 = bidirectional LSTM(3E -> H); lstm2 = bidirectional LSTM(2H -> H); linear1, linear2 = Linear(2H -> 2H);
    h = lstm1_out + lstm2_out + relu(linear1(lstm1_out)) + relu(linear2(lstm2_out)) + [e_t, e_t];
    out = linear(h), Linear(2H -> 6).
    where H != E, a learned projection of e_t to 2H takes [e_t, e_t]'s place.

The equations of an LSTM are those of PyTorch's documentation of `torch.nn.LSTM`, whose weights hold the rows of
the gates in the order i, f, g, o; s is the logistic function; h and c begin at zero:

    i = s(W_ii x + b_ii + W_hi h + b_hi)        c' = f c + i g
    f = s(W_if x + b_if + W_hf h + b_hf)        h' = o tanh(c')
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)
    o = s(W_io x + b_io + W_ho h + b_ho)

By hand: `hand_case()`, a series of two steps, E = H = 2, with e_1 = (1, 0) and e_2 = (0, 1). Inputs are

    step 1  [1, 0,   0, 0,   1, -1]          step 2  [0, 1,   -1, 1,   0, 0]

Gates without a weight or bias are s(0) = 1/2; tanh(ln 2) = 3/5, tanh(ln 3) = 4/5, s(ln 3) = 3/4.

lstm1 knows g's input alone: forward, unit 1 reads e_t's first number by ln 2, and unit 2 the forward delta's first
by ln 3; backward, unit 1 the backward delta's first by ln 2, and unit 2 e_t's second by ln 3.

    forward, unit 1    step 1  c = .6/2 = .3            h = tanh(.3)/2   =  .1456563
                       step 2  c = .3/2 + 0 = .15       h = tanh(.15)/2  =  .0744425
    forward, unit 2    step 1  c = .8/2 = .4            h = tanh(.4)/2   =  .1899745
                       step 2  c = .4/2 + 0 = .2        h = tanh(.2)/2   =  .0986877
    backward, unit 1   step 2  c = -.6/2 = -.3          h = -tanh(.3)/2  = -.1456563
                       step 1  c = -.3/2 + 0 = -.15     h = -tanh(.15)/2 = -.0744425
    backward, unit 2   step 2  c = .8/2 = .4            h = tanh(.4)/2   =  .1899745
                       step 1  c = .4/2 + 0 = .2        h = tanh(.2)/2   =  .0986877

lstm2: forward, unit 1 has g = 3/5 and o = 3/4 (biases ln 2 and ln 3), and unit 2 reads lstm1's first number into g by
1 and its own last h's into o by 10; backward, unit 1 has g = 3/5 and f = 3/4, and unit 2 g = 4/5 and i = 3/4.

    forward, unit 1    step 1  c = .6/2 = .3            h = 3/4 tanh(.3) = .2184845
                       step 2  c = .3/2 + .6/2 = .45    h = 3/4 tanh(.45) = .3164243
    forward, unit 2    step 1  c = tanh(.1456563)/2 = .0723175
                               h = tanh(.0723175)/2 = .0360958
                       step 2  c = .0723175/2 + tanh(.0744425)/2 = .0733114
                               o = s(.3609582) = .5892723     h = o tanh(.0733114) = .0431231
    backward, unit 1   step 2  c = .6/2 = .3            h = tanh(.3)/2   = .1456563
                       step 1  c = 3/4 .3 + .3 = .525   h = tanh(.525)/2 = .2407749
    backward, unit 2   step 2  c = 3/4 .8 = .6          h = tanh(.6)/2   = .2685248
                       step 1  c = .6/2 + .6 = .9       h = tanh(.9)/2   = .3581489

linear1 is the identity, so relu keeps lstm1's positive numbers; linear2 doubles and takes off 0.4. The columns of h
are units 1 and 2 of the forward pass, then those of the backward pass:

                            step 1                                  step 2
    lstm1               .1456563  .1899745 -.0744425  .0986877     .0744425  .0986877 -.1456563  .1899745
    lstm2               .2184845  .0360958  .2407749  .3581489     .3164243  .0431231  .1456563  .2685248
    relu(linear1)       .1456563  .1899745  0         .0986877     .0744425  .0986877  0         .1899745
    relu(linear2)       .0369689  0         .0815498  .3162979     .2328486  0         0         .1370496
    [e_t, e_t]         1         0         1         0            0         1         0         1
    h                  1.5467660  .4160448 1.2478822  .8718221     .6981578 1.2404985 0         1.7855233

linear hands on the four numbers, their sum with a bias of 1, and the first less the second.

>>> case = hand_case()
>>> found = published_forward(case.weights, published_inputs([case.embeddings]))
>>> bool(np.abs(found[0] - case.logits).max() < 1e-6)
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

# B series, T slices, E embedding width, H hidden units per direction


def published_inputs(series: list[np.ndarray], *, pad: bool = True) -> list[np.ndarray]:
    """series: (T, E) each. Returns (T, 3E) each; with `pad`, zeros before it up to the longest's length."""
    longest = max(len(one) for one in series)
    found = []
    for e in series:
        steps = []
        for t in range(len(e)):
            nothing = np.zeros_like(e[t])
            to_previous = e[t] - e[t - 1] if t > 0 else nothing
            to_next = e[t] - e[t + 1] if t + 1 < len(e) else nothing
            steps.append(np.concatenate([e[t], to_previous, to_next]))
        if pad:
            steps = [np.zeros_like(steps[0])] * (longest - len(e)) + steps
        found.append(np.stack(steps))
    return found


def published_forward(
    weights: Mapping[str, np.ndarray],
    inputs: list[np.ndarray],
    project: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Logits (B, T, 6) float64 of inputs (T, 3E) of one length.

    weights: a state dict with the published names: lstm1.weight_ih_l0 and so on, linear1, linear2, linear.
    project: (E,) -> (2H,), where H != E.
    """
    logits = []
    for x in inputs:
        lstm1_out = both_directions(weights, "lstm1", x)
        lstm2_out = both_directions(weights, "lstm2", lstm1_out)
        steps = []
        for t in range(len(x)):
            e = x[t][: len(x[t]) // 3]
            h = (
                lstm1_out[t]
                + lstm2_out[t]
                + relu(affine(weights, "linear1", lstm1_out[t]))
                + relu(affine(weights, "linear2", lstm2_out[t]))
                + (np.concatenate([e, e]) if project is None else project(e))
            )
            steps.append(affine(weights, "linear", h))
        logits.append(np.stack(steps))
    return np.stack(logits)


def both_directions(weights: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    """x: (T, I). Returns (T, 2H): what the LSTM gives forward, then what it gives from the last step to the first."""
    forward = one_direction(weights, name, "", x)
    backward = one_direction(weights, name, "_reverse", x[::-1])[::-1]
    return np.concatenate([forward, backward], axis=1)


def one_direction(weights: Mapping[str, np.ndarray], name: str, end: str, x: np.ndarray) -> np.ndarray:
    """x: (T, I). Returns (T, H)."""
    w_ih, w_hh = (weights[f"{name}.weight_{which}_l0{end}"] for which in ("ih", "hh"))  # (4H, I), (4H, H)
    b_ih, b_hh = (weights[f"{name}.bias_{which}_l0{end}"] for which in ("ih", "hh"))  # (4H,)
    units = w_hh.shape[1]
    h = c = np.zeros(units)
    steps = []
    for x_t in x:
        gates = w_ih @ x_t + b_ih + w_hh @ h + b_hh
        i = logistic(gates[0:units])
        f = logistic(gates[units : 2 * units])
        g = np.tanh(gates[2 * units : 3 * units])
        o = logistic(gates[3 * units : 4 * units])
        c = f * c + i * g
        h = o * np.tanh(c)
        steps.append(h)
    return np.stack(steps)


def affine(weights: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def zero_weights(embedding: int, hidden: int) -> dict[str, np.ndarray]:
    """A state dict with the published names and shapes, all zeros."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, width in (("lstm1", 3 * embedding), ("lstm2", 2 * hidden)):
        for end in ("", "_reverse"):
            shapes[f"{name}.weight_ih_l0{end}"] = (4 * hidden, width)
            shapes[f"{name}.weight_hh_l0{end}"] = (4 * hidden, hidden)
            shapes[f"{name}.bias_ih_l0{end}"] = (4 * hidden,)
            shapes[f"{name}.bias_hh_l0{end}"] = (4 * hidden,)
    for name, rows in (("linear1", 2 * hidden), ("linear2", 2 * hidden), ("linear", 6)):
        shapes[f"{name}.weight"] = (rows, 2 * hidden)
        shapes[f"{name}.bias"] = (rows,)
    return {name: np.zeros(shape) for name, shape in shapes.items()}


class HandCase(NamedTuple):
    """The case at the top of this file."""

    weights: dict[str, np.ndarray]
    embeddings: np.ndarray  # (2, 2)
    logits: np.ndarray  # (2, 6), to seven places


def hand_case() -> HandCase:
    """Rows of the gates, H = 2: i 0 and 1, f 2 and 3, g 4 and 5, o 6 and 7."""
    ln2, ln3 = math.log(2), math.log(3)
    weights = zero_weights(2, 2)
    weights["lstm1.weight_ih_l0"][4, 0] = ln2
    weights["lstm1.weight_ih_l0"][5, 4] = ln3
    weights["lstm1.weight_ih_l0_reverse"][4, 2] = ln2
    weights["lstm1.weight_ih_l0_reverse"][5, 1] = ln3
    weights["lstm2.bias_ih_l0"][4] = ln2
    weights["lstm2.bias_hh_l0"][6] = ln3
    weights["lstm2.weight_ih_l0"][5, 0] = 1
    weights["lstm2.weight_hh_l0"][7, 1] = 10
    weights["lstm2.bias_hh_l0_reverse"][4] = ln2
    weights["lstm2.bias_ih_l0_reverse"][2] = ln3
    weights["lstm2.bias_hh_l0_reverse"][5] = ln3
    weights["lstm2.bias_ih_l0_reverse"][1] = ln3
    weights["linear1.weight"][:] = np.eye(4)
    weights["linear2.weight"][:] = 2 * np.eye(4)
    weights["linear2.bias"][:] = -0.4
    weights["linear.weight"][:4] = np.eye(4)
    weights["linear.weight"][4] = 1
    weights["linear.bias"][4] = 1
    weights["linear.weight"][5] = [1, -1, 0, 0]
    logits = [
        [1.5467660, 0.4160448, 1.2478822, 0.8718221, 5.0825151, 1.1307212],
        [0.6981578, 1.2404985, 0.0000000, 1.7855233, 4.7241796, -0.5423407],
    ]
    return HandCase(weights, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array(logits))
