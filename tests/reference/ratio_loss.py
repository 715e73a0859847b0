"""What a ratio network minimises, and what becomes of its windows (RSNA 2022, 3rd place, section 3), value by value.

"Loss: squared error, x2 where target != 0, mean over B x 96 x 7", with a threshold in place of 0 (section 8), and what
is padded left out. "Mean over windows, seeds and models per (study, slice); clip [0, 1]."

By hand, one window of two slices and a padded one, one vertebra: errors 0.5 and 0.2; the target of 0.4 counts double,
and the one of 0.0002 does not: (2 x 0.25 + 0.04) / 2.

>>> round(loss([[[0.9], [0.2002], [7.0]]], [[[0.4], [0.0002], [None]]], 0.0005), 9)
0.27
>>> round(loss([[[0.9]], [[0.0]]], [[[0.4]], [[0.0]]], 0.0005), 9)
0.25

Windows of two slices from 0 and 1 over three slices share the middle one, and -0.3 and 1.2 are cut.

>>> [round(value, 9) for value in curve([(0, [-0.3, 0.2]), (1, [0.4, 1.2])], 3)]
[0.0, 0.3, 1.0]
"""

from __future__ import annotations

from collections.abc import Sequence


def loss(
    predictions: Sequence[Sequence[Sequence[float]]],
    targets: Sequence[Sequence[Sequence[float | None]]],
    threshold: float,
) -> float:
    windows = []
    for predicted, true in zip(predictions, targets, strict=True):
        errors = []
        for ratios, known in zip(predicted, true, strict=True):
            for ratio, target in zip(ratios, known, strict=True):
                if target is not None:
                    errors.append((ratio - target) ** 2 * (2 if target > threshold else 1))
        windows.append(sum(errors) / len(errors))
    return sum(windows) / len(windows)


def curve(windows: Sequence[tuple[int, Sequence[float]]], count: int) -> list[float]:
    """One vertebra over a study, of the windows that begin at a slice and say something of the ones from there on."""
    found = []
    for z in range(count):
        said = [values[z - start] for start, values in windows if start <= z < start + len(values)]
        found.append(min(1.0, max(0.0, sum(said) / len(said))))
    return found
