"""A gallery of out-of-fold films: true and false positives and negatives, with the contours of truth and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hounsfield.core.storage.figure_files import save_figure
from hounsfield.pneumothorax.config import SubmissionConfig, Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms
from hounsfield.pneumothorax.regions import submitted_mask
from hounsfield.pneumothorax.scores import FilmResults

EACH = 5  # films of a kind
PIXELS = 384  # of a film in the picture, at most
TRUE, PREDICTED = "#30d158", "#ff453a"


def gallery_films(results: FilmResults, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Which films are shown of each kind, their places among the M out-of-fold films.

    True positives from the best Dice to the worst; of the others those that came closest to the other side.
    labels: (M,) of 0 and 1.
    """
    positive = labels == 1
    kinds = {
        "true positive": positive & results.shown,
        "false negative": positive & ~results.shown,
        "false positive": ~positive & results.shown,
        "true negative": ~positive & ~results.shown,
    }
    found = {}
    for name, chosen in kinds.items():
        order = results.dice if name == "true positive" else results.probability
        places = np.flatnonzero(chosen)[np.argsort(-order[chosen], kind="stable")]
        if name == "true positive" and len(places) > EACH:
            places = places[np.linspace(0, len(places) - 1, EACH).round().astype(int)]
        found[name] = places[:EACH]
    return found


def draw_gallery(
    path: Path,
    films: MappedFilms,
    results: FilmResults,
    rules: Sequence[Triplet],
    config: SubmissionConfig,
    title: str,
) -> None:
    """Draw the gallery. results: what `rules`, one for each of the M out-of-fold films, make of them."""
    kinds = gallery_films(results, films.labels)
    shown = {kind: places for kind, places in kinds.items() if len(places)}
    figure = Figure(figsize=(3 * EACH, 3.4 * len(shown) + 0.5), facecolor="black")
    below_title = 1 - 0.9 / figure.get_figheight()
    grid = {"left": 0.01, "right": 0.99, "bottom": 0.01, "top": below_title, "wspace": 0.03, "hspace": 0.16}
    lines = figure.subplots(len(shown), EACH, squeeze=False, gridspec_kw=grid)
    for line, (kind, places) in zip(lines, shown.items(), strict=True):
        for panel in line:
            panel.axis("off")
        for panel, place in zip(line, places.tolist(), strict=False):
            row, size = int(films.held_out[place]), films.image_size
            predicted = submitted_mask(films.maps.values(row), rules[place], config, (size, size))
            _draw_film(panel, films.image(row), films.true_mask(row), predicted)
            dice, probability = results.dice[place], results.probability[place]
            panel.set_title(f"{kind}\nDice {dice:.2f}, probability {probability:.2f}", color="white", fontsize=9)
    none = "".join(f" No {kind}." for kind in kinds if kind not in shown)
    figure.suptitle(f"{title}. Green: truth. Red: prediction.{none}", color="white", fontsize=11)
    save_figure(path, figure)


def _draw_film(panel: Axes, image: np.ndarray, true: np.ndarray | None, predicted: np.ndarray) -> None:
    size = min(PIXELS, len(image))
    panel.imshow(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), cmap="gray", vmin=0, vmax=255)
    for mask, colour in ((true, TRUE), (predicted, PREDICTED)):
        if mask is not None and mask.any():
            small = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
            panel.contour(small, levels=[0.5], colors=[colour], linewidths=1.2)
