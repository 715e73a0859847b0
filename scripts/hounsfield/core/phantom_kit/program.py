"""What the programs that draw a phantom data set share: options, and how they end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hounsfield.core.errors import HounsfieldError
from hounsfield.core.logs import show
from hounsfield.core.phantom_kit.recipe import ArchiveRecipe


def add_options(parser: argparse.ArgumentParser, default: ArchiveRecipe, pictures: str) -> None:
    """Add the options that every recipe has, and where to write. pictures: what the patients have, for the help."""
    parser.add_argument("--output", type=Path, required=True, help="the zip to write; a name without .zip: a folder")
    parser.add_argument("--train-patients", type=int, default=default.train_patients, help="patients with labels")
    parser.add_argument("--test-patients", type=int, default=default.test_patients, help="patients of the test set")
    parser.add_argument("--size", type=int, default=default.size, help=f"rows and columns of {pictures}")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--compression", choices=("stored", "deflated"), default=default.compression)
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one per core")
    parser.add_argument("--force", action="store_true", help="replace an archive made with another recipe")


def write_and_report(write: Callable[[], tuple[str, int, bool]], unit: str) -> int:
    """Write an archive and say what is where, and how fast it was made; returns the exit code.

    write: returns what is there, in words, how many pictures it holds, and whether they were drawn now.
    """
    started = time.perf_counter()
    try:
        found, count, drawn = write()
    except HounsfieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    seconds = time.perf_counter() - started
    rate = f"written in {seconds:.1f} s, {count / seconds:.1f} {unit}/s"
    show(f"{found}; {rate if drawn else 'already made; nothing to do'}")
    return 0
