"""The rules that turn a map of probabilities into a mask, and its score, pixel by pixel (SIIM-ACR 2019, 1st place).

From section 7 of the system's description, all comparisons strict: simple (s): p > s. Doublet (s, a): p > s, zeroed
for images with fewer than a such pixels. Triplet (top, area, bottom): image kept iff count(p > top) >= area, then
mask = p > bottom. Section 9: Dice = 2|X n Y| / (|X| + |Y|), 1 when both are empty.

By hand: the map below has one pixel above 0.75, two above 0.3, and three above 0.1.

>>> p = [[0.9, 0.75], [0.2, 0.1]]
>>> simple(p, 0.1)
[[1, 1], [1, 0]]
>>> doublet(p, 0.3, 2), doublet(p, 0.3, 3)
([[1, 1], [0, 0]], [[0, 0], [0, 0]])
>>> triplet(p, 0.75, 1, 0.1), triplet(p, 0.75, 2, 0.1)
([[1, 1], [1, 0]], [[0, 0], [0, 0]])
>>> dice([[1, 1], [1, 0]], [[1, 0], [0, 0]]), dice([[0]], [[0]]), dice([[1]], [[0]])
(0.5, 1.0, 0.0)

Of two images the second has no pneumothorax: with an area of 1 both are kept, (0.5 + 0) / 2; with 2 none, (0 + 1) / 2.

>>> truths = [[[1, 0], [0, 0]], [[0, 0], [0, 0]]]
>>> [mean_dice([p, p], truths, (0.75, area, 0.1)) for area in (1, 2)]
[0.25, 0.5]
"""

from __future__ import annotations

from collections.abc import Sequence

Image = Sequence[Sequence[float]]
Mask = list[list[int]]


def simple(p: Image, s: float) -> Mask:
    return [[1 if value > s else 0 for value in line] for line in p]


def count(mask: Sequence[Sequence[int]]) -> int:
    return sum(sum(line) for line in mask)


def doublet(p: Image, s: float, area: int) -> Mask:
    mask = simple(p, s)
    if count(mask) < area:
        return [[0 for _ in line] for line in p]
    return mask


def triplet(p: Image, top: float, area: int, bottom: float) -> Mask:
    if count(simple(p, top)) >= area:
        return simple(p, bottom)
    return [[0 for _ in line] for line in p]


def dice(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> float:
    both = 0
    for one, other in zip(found, truth, strict=True):
        for a, b in zip(one, other, strict=True):
            both += 1 if a and b else 0
    if count(found) + count(truth) == 0:
        return 1.0
    return 2 * both / (count(found) + count(truth))


def mean_dice(maps: Sequence[Image], truths: Sequence[Mask], rule: tuple[float, int, float]) -> float:
    """The score of one triplet: the mean over images, each counting once."""
    scores = [dice(triplet(p, *rule), truth) for p, truth in zip(maps, truths, strict=True)]
    return sum(scores) / len(scores)
