"""The search for thresholds at full size: every triplet of a grid over the maps of one fold, in a process of its own.

The maps are synthetic: blobs of many sizes, some with a true mask, which is decoded from PNG film by film as the stage
does. They lie in one array on disk, larger than the memory that the search may take.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmark.measurements import Line
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.storage.arrays import open_array, read_row
from hounsfield.pneumothorax.config import ThresholdsConfig
from hounsfield.pneumothorax.thresholds import choose, count_films, dice_by_rule, grid, thresholds_of

DISTINCT = 16  # maps that are drawn; the array repeats them
POSITIVE_EVERY = 4  # films
TENS = tuple(round(0.05 + 0.09 * number, 2) for number in range(10))
GRIDS = {
    "8 triplets": ThresholdsConfig(),
    "10 x 10 x 10 triplets": ThresholdsConfig(tops=TENS, areas=tuple(x / 100 for x in TENS), bottoms=TENS),
}
SECONDS = {"8 triplets": 60, "10 x 10 x 10 triplets": 600}
MEGABYTES = 1500


def grid_search_lines(folder: Path, *, films: int, pixels: int) -> list[Line]:
    """Write `films` maps of pixels x pixels below `folder`, and time both grids over them."""
    path = write_synthetic_maps(folder / "maps.npy", films, pixels)
    lines = []
    for name in GRIDS:
        found = search_in_a_process(path, name)
        what, size = f"{name} over {films} maps of {pixels} x {pixels}", path.stat().st_size / 1e6
        note = f"best mean Dice {found['dice']:.4f} of {found['rules']:.0f} rules; the array takes {size:.0f} MB"
        lines += [
            Line(what=what, measured=found["seconds"], unit="s", at_most=SECONDS[name], note=note),
            Line(what=f"peak memory of {what}", measured=found["megabytes"], unit="MB", at_most=MEGABYTES),
        ]
    return lines


def search_in_a_process(path: Path, name: str) -> dict[str, float]:
    """What `search` finds in a process of its own."""
    code = f"from benchmark.grid_search import search; search({str(path)!r}, {name!r})"
    # a child begins with its parent's peak on Linux: a small process stands between this large one and the search
    between = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {code!r}]).returncode)"
    paths = f"{REPOSITORY / 'scripts'}:{REPOSITORY / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", between], check=True, capture_output=True, text=True, env={"PYTHONPATH": paths}
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def write_synthetic_maps(path: Path, films: int, pixels: int) -> Path:
    """An array (films, pixels, pixels) of uint8, written map by map."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = [synthetic_map(number, pixels) for number in range(DISTINCT)]
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (films, pixels, pixels)}
        np.lib.format.write_array_header_1_0(file, header)
        for film in range(films):
            file.write(drawn[film % DISTINCT].data)
    return path


def synthetic_map(number: int, pixels: int) -> np.ndarray:
    """A blob whose probability falls off with the distance, and noise, (pixels, pixels) uint8."""
    rng = np.random.default_rng(number)
    blob = np.zeros((pixels, pixels), np.float32)
    axes = tuple(int(pixels * share) for share in rng.uniform(0.02, 0.2, 2))
    cv2.ellipse(blob, (pixels // 3, pixels // 3), axes, 30.0, 0, 360, 1.0, -1)
    values = cv2.GaussianBlur(blob, (0, 0), pixels / 60) * rng.uniform(0.4, 1) + 0.05 * rng.random(blob.shape)
    return np.ascontiguousarray(np.rint(values.clip(0, 1) * 255).astype(np.uint8))


def synthetic_films(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Each map, and the true mask of every fourth, as the stage reads them."""
    count, pixels, _ = open_array(path).shape
    masks = [
        cv2.imencode(".png", (synthetic_map(number, pixels) > 100) * np.uint8(255))[1] for number in range(DISTINCT)
    ]
    for film in range(count):
        true = None
        if film % POSITIVE_EVERY == 0:
            true = np.asarray(cv2.imdecode(masks[film % DISTINCT], cv2.IMREAD_GRAYSCALE)) > 0
        yield read_row(path, film), true


def search(maps: str, name: str) -> None:
    """Search one grid and print seconds, peak memory and what was found as JSON."""
    path = Path(maps)
    start = time.perf_counter()
    rules = grid(GRIDS[name])
    counts = count_films(synthetic_films(path), thresholds_of(rules))
    choice = choose(dice_by_rule(counts, rules), counts.true > 0, np.arange(len(counts.true)) % 5)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # ru_maxrss counts in KiB
    facts = {"seconds": seconds, "megabytes": peak, "dice": choice.optimistic, "rules": len(rules)}
    print(json.dumps(facts))
