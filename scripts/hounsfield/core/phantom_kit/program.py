"""What the programs that draw a phantom data set share: options, and how they end."""

from __future__ import annotations

import argparse
from pathlib import Path

from hounsfield.core.logs import show
from hounsfield.core.phantom_kit.recipe import ArchiveRecipe
from hounsfield.core.stages.ranges import whole_count


def add_options(parser: argparse.ArgumentParser, default: ArchiveRecipe, pictures: str) -> None:
    """Add the options that every recipe has, and where to write. pictures: what the patients have, for the help."""
    parser.add_argument("--output", type=Path, required=True, help="the zip to write; a name without .zip: a folder")
    parser.add_argument("--train-patients", type=int, default=default.train_patients, help="patients with labels")
    parser.add_argument("--test-patients", type=int, default=default.test_patients, help="patients of the test set")
    parser.add_argument("--size", type=int, default=default.size, help=f"rows and columns of {pictures}")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--compression", choices=("stored", "deflated"), default=default.compression)
    parser.add_argument("--jobs", type=whole_count, default=-1, help="processes (default: one per core)")
    parser.add_argument("--force", action="store_true", help="replace an archive made with another recipe")


def report_archive(found: str, count: int, unit: str, seconds: float, *, written: bool) -> None:
    """Say what is where, and how fast it was made. count: of its pictures. written: whether they were drawn now."""
    rate = f"written in {seconds:.1f} s, {count / seconds:.1f} {unit}/s"
    show(f"{found}; {rate if written else 'already made; nothing to do'}")
