"""Make a phantom data set in the shape of the SIIM-ACR 2019 competition: drawn chest films, some with a pneumothorax.

    python scripts/siim2019_phantom.py --output data/raw/phantom_films/siim-acr-pneumothorax-segmentation.zip

In: nothing. Out: the zip (a folder where the name does not end in .zip) and, beside it, its recipe. The same recipe
gives the same bytes; an archive of the same recipe is left as it is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hounsfield.competitions.siim2019.phantom.archive import ArchiveSummary, write_archive
from hounsfield.competitions.siim2019.phantom.recipe import PhantomRecipe
from hounsfield.core.errors import HounsfieldError

RECIPE = ("train_patients", "test_patients", "size", "seed", "stage", "compression")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    default = PhantomRecipe()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="the zip to write; a name without .zip: a folder")
    parser.add_argument("--train-patients", type=int, default=default.train_patients, help="patients with labels")
    parser.add_argument("--test-patients", type=int, default=default.test_patients, help="patients of the test set")
    parser.add_argument("--size", type=int, default=default.size, help="rows and columns of a film")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument(
        "--stage", type=int, choices=(1, 2), default=default.stage, help="of the competition: its shape"
    )
    parser.add_argument("--compression", choices=("stored", "deflated"), default=default.compression)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one per core")
    parser.add_argument("--force", action="store_true", help="replace an archive made with another recipe")
    return parser.parse_args(arguments)


def report(summary: ArchiveSummary, seconds: float) -> str:
    """One line that says what is where, and how fast it was made."""
    total = summary.train_films + summary.test_films
    did = f"written in {seconds:.1f} s, {total / seconds:.1f} films/s" if summary.written else "already made"
    return (
        f"{summary.path}: {summary.train_films} training films, {summary.positive_films} of them with a pneumothorax, "
        f"and {summary.test_films} test films; {did}"
    )


def main() -> int:
    """Write the archive; returns the exit code."""
    options = parse_arguments()
    started = time.perf_counter()
    try:
        recipe = PhantomRecipe(**{name: getattr(options, name) for name in RECIPE})
        summary = write_archive(options.output, recipe, options.jobs, options.force)
    except HounsfieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(report(summary, time.perf_counter() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main())
