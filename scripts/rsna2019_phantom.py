"""Make a phantom data set in the shape of the RSNA 2019 competition: drawn head CT with planted bleeds.

    python scripts/rsna2019_phantom.py --output data/raw/phantom/rsna-intracranial-hemorrhage-detection.zip

In: nothing. Out: the zip (a folder where the name does not end in .zip) and, beside it, its recipe. The same recipe
gives the same bytes; an archive of the same recipe is left as it is.
"""

from __future__ import annotations

import argparse

from hounsfield.competitions.rsna2019.head_phantom.recipe import LAYOUTS, PhantomRecipe
from hounsfield.core.logs import Stopwatch
from hounsfield.core.phantom_kit.program import add_options, report_archive
from hounsfield.core.stages.exits import run
from hounsfield.core.stages.mistakes import OneLineParser

RECIPE = ("train_patients", "test_patients", "size", "seed", "noise", "layout", "compression")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    default = PhantomRecipe()
    parser = OneLineParser(description=(__doc__ or "").split("\n")[0])
    add_options(parser, default, "a slice")
    parser.add_argument(
        "--slices", type=int, nargs=2, default=default.slices, metavar=("FEWEST", "MOST"), help="slices in a series"
    )
    parser.add_argument("--noise", type=float, default=default.noise, help="times that of the usual scanner")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=default.layout,
        help="folders in the archive: stage_2_train/ and stage_2_test/ below a top folder, as Kaggle serves them today "
        "(current, the default), or stage_2_train_images/ and stage_2_test_images/ at the top (2019)",
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Write the archive, and say what is where."""
    options, watch = parse_arguments(), Stopwatch()
    recipe = PhantomRecipe(slices=tuple(options.slices), **{name: getattr(options, name) for name in RECIPE})
    from hounsfield.competitions.rsna2019.head_phantom.archive import write_archive

    summary = write_archive(options.output, recipe, options.jobs, options.force)
    positives = ", ".join(f"{name} {count}" for name, count in summary.positives.items())
    found = (
        f"{summary.path}: {summary.train_slices} training and {summary.test_slices} test slices "
        f"(training positives: {positives}; truncated file {summary.truncated_image_id})"
    )
    count = summary.train_slices + summary.test_slices
    report_archive(found, count, "slices", watch.seconds, written=summary.written)


if __name__ == "__main__":
    run(main)
