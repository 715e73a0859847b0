"""The expected calibration error with bins of equal mass, row by row.

    ECE = sum over bins b of n_b / n * |mean label in b - mean probability in b|

Equal mass: the bin of a row is its rank's share of the rows, times the number of bins, rounded down. Rows with one
probability have one rank, the middle of theirs.

By hand, four rows in two bins. Probabilities 0.1 0.2 0.7 0.9, labels 0 1 1 1:

    lower bin   |1 / 2 - 0.15| = 0.35
    upper bin   |2 / 2 - 0.80| = 0.20
    ECE         2 / 4 * 0.35 + 2 / 4 * 0.20 = 0.275

>>> round(calibration_error([0.7, 0.1, 0.9, 0.2], [1, 0, 1, 1], 2), 9)
0.275

Three rows tie: they lie at 1.5 of 4 rows, the lower half, so 3 / 4 * |1 / 3 - 0.2| + 1 / 4 * |1 - 0.9| = 0.125.

>>> round(calibration_error([0.2, 0.9, 0.2, 0.2], [0, 1, 0, 1], 2), 9)
0.125
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def calibration_error(probabilities: Sequence[float], labels: Sequence[float], bins: int) -> float:
    """One name's error."""
    members: dict[int, list[int]] = {}
    for i, p in enumerate(probabilities):
        below = sum(1 for other in probabilities if other < p)
        tied = sum(1 for other in probabilities if other == p)
        rank = below + Fraction(tied, 2)
        members.setdefault(int(rank / len(probabilities) * bins), []).append(i)
    error = 0.0
    for rows in members.values():
        label = sum(labels[i] for i in rows) / len(rows)
        probability = sum(probabilities[i] for i in rows) / len(rows)
        error += len(rows) / len(probabilities) * abs(label - probability)
    return error
