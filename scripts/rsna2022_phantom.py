"""Make a phantom data set in the shape of the RSNA 2022 competition: drawn neck CT, some with fractured vertebrae.

    python scripts/rsna2022_phantom.py --output data/raw/phantom_necks/rsna-2022-cervical-spine-fracture-detection.zip

In: nothing. Out: the zip (a folder where the name does not end in .zip) and, beside it, its recipe. The same recipe
gives the same bytes; an archive of the same recipe is left as it is.
"""

from __future__ import annotations

import argparse

from hounsfield.competitions.rsna2022.neck_phantom.recipe import PhantomRecipe
from hounsfield.core.logs import Stopwatch
from hounsfield.core.phantom_kit.program import add_options, report_archive
from hounsfield.core.stages.exits import run
from hounsfield.core.stages.mistakes import OneLineParser

RECIPE = ("train_patients", "test_patients", "size", "segmented_share", "severity", "seed", "compression")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    default = PhantomRecipe()
    parser = OneLineParser(description=(__doc__ or "").split("\n")[0])
    add_options(parser, default, "a CT slice")
    parser.add_argument(
        "--spacing", type=float, nargs=2, default=default.spacing, metavar=("LEAST", "MOST"), help="mm between slices"
    )
    parser.add_argument(
        "--segmented-share", type=float, default=default.segmented_share, help="of the patients with labels, 0 to 1"
    )
    parser.add_argument("--severity", type=float, default=default.severity, help="of fractures, 1: as usual")
    return parser.parse_args(arguments)


def main() -> None:
    """Write the archive, and say what is where."""
    options, watch = parse_arguments(), Stopwatch()
    recipe = PhantomRecipe(spacing=tuple(options.spacing), **{name: getattr(options, name) for name in RECIPE})
    from hounsfield.competitions.rsna2022.neck_phantom.archive import write_archive

    summary = write_archive(options.output, recipe, options.jobs, options.force)
    found = (
        f"{summary.path}: {summary.train_studies} training studies, {summary.fractured_studies} of them with a "
        f"fracture and {summary.segmentations} with a segmentation, and {summary.test_studies} test studies"
    )
    report_archive(found, summary.slices, "slices", watch.seconds, written=summary.written)


if __name__ == "__main__":
    run(main)
