"""Measure the speed and memory of all systems beside the published algorithms, written plainly, in one run.

In: nothing; phantoms are drawn into a temporary folder, and `tests/reference/` holds the published algorithm.
Out: preds/benchmark/benchmark.md and benchmark.json.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmark.computer import computer
from benchmark.extraction import extraction_lines
from benchmark.full_size import full_size_lines
from benchmark.grid_search import grid_search_lines
from benchmark.measurements import Line, as_markdown
from benchmark.memory import memory_lines
from benchmark.necks import neck_lines
from benchmark.networks import network_lines
from benchmark.preparation import preparation_lines
from benchmark.run_lengths import run_length_lines
from benchmark.second_level import feature_lines, training_lines
from benchmark.sequences import sequence_lines
from benchmark.sizes import FULL, QUICK, Sizes
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import REPOSITORY, run
from hounsfield.core.stages.ranges import whole_count
from hounsfield.core.storage.files import write_bytes, write_json

PARTS = (
    "preparation", "sequences", "extraction", "full-size", "memory", "networks", "second-level", "grid-search",
    "run-lengths", "necks",
)  # fmt: skip


def main() -> None:
    """Measure, print and write the table."""
    arguments = parse_arguments()
    before = os.getloadavg()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="hounsfield-benchmark-") as folder:
        for name, measure in parts(Path(folder), QUICK if arguments.quick else FULL, arguments).items():
            logger.info("benchmark: %s", name)
            lines += measure()
    facts = computer(before, "quick" if arguments.quick else "full")
    table = as_markdown(lines, [f"{name}: {value}" for name, value in facts.items()])
    output = arguments.work / "preds" / "benchmark"
    write_bytes(output / "benchmark.md", table.encode())
    write_json(output / "benchmark.json", {"computer": facts, "lines": [as_json(line) for line in lines]})
    print(table)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=REPOSITORY, help="folder that holds preds")
    parser.add_argument("--quick", action="store_true", help="small sizes: half a minute, and rough numbers")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts of the table")
    parser.add_argument("--backbone", default="resnext101_32x8d" if cuda else "test_byobnet", help="a timm name")
    parser.add_argument("--size", type=whole_count, default=480 if cuda else 96, help="pixels that the backbone sees")
    parser.add_argument("--batch", type=whole_count, default=64 if cuda else 32, help="images a batch of the backbone")
    return parser.parse_args(arguments)


def parts(folder: Path, sizes: Sizes, options: argparse.Namespace) -> dict[str, Callable[[], list[Line]]]:
    """What was asked for, by name."""
    repeats, device = sizes.repeats, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found: dict[str, Callable[[], list[Line]]] = {
        "preparation": lambda: preparation_lines(
            folder / "preparation", drawn=sizes.drawn, linked=sizes.linked, size=sizes.pixels, repeats=repeats
        ),
        "sequences": lambda: sequence_lines(
            folder / "sequences", slices=sizes.store_slices, series=sizes.store_series, width=sizes.width,
            batches=sizes.batches, repeats=repeats,
        ),
        "extraction": lambda: extraction_lines(
            folder / "extraction", drawn=sizes.drawn, slices=sizes.extracted, size=sizes.extracted_pixels,
            repeats=repeats,
        ),
        "full-size": lambda: full_size_lines(
            folder / "full-size", sizes.table_slices, width=sizes.width, images=sizes.epoch_images
        ),
        "memory": lambda: memory_lines(folder / "memory", few=sizes.few, many=sizes.many, size=sizes.memory_pixels),
        "networks": lambda: network_lines(
            options.backbone, size=options.size, batch=options.batch, repeats=repeats, device=device
        ),
        "second-level": lambda: second_level_lines(sizes),
        "grid-search": lambda: grid_search_lines(
            folder / "grid-search", films=sizes.mapped_films, pixels=sizes.mapped_pixels
        ),
        "run-lengths": lambda: run_length_lines(size=sizes.mapped_pixels, repeats=repeats),
        "necks": lambda: neck_lines(
            folder / "necks", slices=sizes.window_slices, pixels=sizes.pixels, few=sizes.few_studies,
            many=10 * sizes.few_studies, repeats=repeats,
        ),
    }  # fmt: skip
    return {name: found[name] for name in PARTS if name in options.only}


def second_level_lines(sizes: Sizes) -> list[Line]:
    """The second level's features and the training of one model by each library."""
    found = feature_lines(slices=sizes.second_level_slices, plain_slices=sizes.plain_slices, repeats=sizes.repeats)
    rows = sizes.second_level_rows
    threads = os.cpu_count() or 1
    return found + training_lines(rows=rows, stop_rows=rows // 7, rounds=sizes.rounds, threads=threads)


def as_json(line: Line) -> dict[str, Any]:
    """A line with what follows from it."""
    return {**asdict(line), "ratio": line.ratio, "verdict": line.verdict}


if __name__ == "__main__":
    run(main)
