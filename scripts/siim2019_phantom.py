"""Make a phantom data set in the shape of the SIIM-ACR 2019 competition: drawn chest films, some with a pneumothorax.

    python scripts/siim2019_phantom.py --output data/raw/phantom_films/siim-acr-pneumothorax-segmentation.zip

In: nothing. Out: the zip (a folder where the name does not end in .zip) and, beside it, its recipe. The same recipe
gives the same bytes; an archive of the same recipe is left as it is.
"""

from __future__ import annotations

import argparse

from hounsfield.competitions.siim2019.film_phantom.recipe import PhantomRecipe
from hounsfield.core.logs import Stopwatch
from hounsfield.core.phantom_kit.program import add_options, report_archive
from hounsfield.core.stages.exits import run
from hounsfield.core.stages.mistakes import OneLineParser

RECIPE = ("train_patients", "test_patients", "size", "seed", "stage", "compression")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    default = PhantomRecipe()
    parser = OneLineParser(description=(__doc__ or "").split("\n")[0])
    add_options(parser, default, "a film")
    parser.add_argument("--stage", type=int, choices=(1, 2), default=default.stage, help="of the competition")
    return parser.parse_args(arguments)


def main() -> None:
    """Write the archive, and say what is where."""
    options, watch = parse_arguments(), Stopwatch()
    recipe = PhantomRecipe(**{name: getattr(options, name) for name in RECIPE})
    from hounsfield.competitions.siim2019.film_phantom.archive import write_archive

    summary = write_archive(options.output, recipe, options.jobs, options.force)
    found = (
        f"{summary.path}: {summary.train_films} training films, {summary.positive_films} of them with a "
        f"pneumothorax, and {summary.test_films} test films"
    )
    count = summary.train_films + summary.test_films
    report_archive(found, count, "films", watch.seconds, written=summary.written)


if __name__ == "__main__":
    run(main)
