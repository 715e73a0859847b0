"""Make a phantom data set in the shape of the RSNA 2019 competition: drawn head CT with planted bleeds.

    python scripts/rsna2019_phantom.py --output data/raw/phantom/rsna-intracranial-hemorrhage-detection.zip

In: nothing. Out: the zip (a folder where the name does not end in .zip) and, beside it, its recipe. The same recipe
gives the same bytes; an archive of the same recipe is left as it is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hounsfield.competitions.rsna2019.phantom.recipe import LAYOUTS, PhantomRecipe
from hounsfield.core.errors import HounsfieldError

if TYPE_CHECKING:
    from hounsfield.competitions.rsna2019.phantom.archive import ArchiveSummary


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    default = PhantomRecipe()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="the zip to write; a name without .zip: a folder")
    parser.add_argument("--train-patients", type=int, default=default.train_patients, help="patients with labels")
    parser.add_argument("--test-patients", type=int, default=default.test_patients, help="patients of the test set")
    parser.add_argument(
        "--slices", type=int, nargs=2, default=default.slices, metavar=("FEWEST", "MOST"), help="slices in a series"
    )
    parser.add_argument("--size", type=int, default=default.size, help="rows and columns of a slice")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=default.layout,
        help="folders in the archive: stage_2_train/ and stage_2_test/ below a top folder, as Kaggle serves them today "
        "(current, the default), or stage_2_train_images/ and stage_2_test_images/ at the top (2019)",
    )
    parser.add_argument("--compression", choices=("stored", "deflated"), default=default.compression)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one per core")
    parser.add_argument("--force", action="store_true", help="replace an archive made with another recipe")
    return parser.parse_args(arguments)


def report(summary: ArchiveSummary, seconds: float) -> str:
    """One line that says what is where, and how fast it was made."""
    positives = ", ".join(f"{name} {count}" for name, count in summary.positives.items())
    total = summary.train_slices + summary.test_slices
    did = (
        f"written in {seconds:.1f} s, {total / seconds:.1f} slices/s"
        if summary.written
        else "already made; nothing to do"
    )
    return (
        f"{summary.path}: {summary.train_slices} training and {summary.test_slices} test slices "
        f"(training positives: {positives}; truncated file {summary.truncated_image_id}); {did}"
    )


def main() -> int:
    """Write the archive; returns the exit code."""
    options = parse_arguments()
    started = time.perf_counter()
    try:
        recipe = PhantomRecipe(
            train_patients=options.train_patients,
            test_patients=options.test_patients,
            slices=tuple(options.slices),
            size=options.size,
            seed=options.seed,
            layout=options.layout,
            compression=options.compression,
        )
        from hounsfield.competitions.rsna2019.phantom.archive import write_archive

        summary = write_archive(options.output, recipe, options.jobs, options.force)
    except HounsfieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(report(summary, time.perf_counter() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main())
