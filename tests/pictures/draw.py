"""Draw the pictures of the README: the pipeline, the preparation, every kind of bleed, and necks, all from phantoms.

    python -m pictures.draw --output .github/pictures

In: nothing. Out: pipeline.png, preparation.png, bleeds.png and necks.png in the folder. To be run again when stages,
files or phantoms change; the same code gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from hounsfield.competitions.rsna2019.head_phantom.recipe import PhantomRecipe
from hounsfield.core.logs import Stopwatch
from hounsfield.core.stages.exits import run
from pictures.figures import draw_bleeds, draw_preparation, save_picture
from pictures.necks import draw_necks
from pictures.pipeline import draw_pipeline

# Drawing, and the greys of its file: in bleeds.png so much is noise that more of them would make it too large.
PICTURES = {
    "pipeline": (draw_pipeline, 96),
    "preparation": (draw_preparation, 96),
    "bleeds": (draw_bleeds, 40),
    "necks": (draw_necks, 40),
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="the folder to write into")
    parser.add_argument("--size", type=int, default=PhantomRecipe().size, help="rows and columns of a phantom slice")
    return parser.parse_args(arguments)


def main() -> None:
    """Write the pictures."""
    options = parse_arguments()
    cv2.setNumThreads(1)
    size = PhantomRecipe(size=options.size).size  # refuses what cannot be drawn
    for name, (draw, greys) in PICTURES.items():
        path, watch = options.output / f"{name}.png", Stopwatch()
        save_picture(draw(size), path, greys)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {watch.seconds:.1f} s")


if __name__ == "__main__":
    run(main)
