"""Experiments on a made-up data set whose maps are there: what stages 63 to 65 start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from made_data import DATA_SET, made_films, made_maps, seeing_map

from hounsfield.core.stages.ledger import Ledger, fold_part
from programs import work_of

TRAIN, TEST = 24, 4
GRID = "thresholds: {tops: [0.5, 0.75], areas: [0.004, 0.02], bottoms: [0.3, 0.5]}"
SETTINGS = {
    "folds": [0, 1],
    "dtype": "uint8",
    "part": None,
    "top": 3,
    "flip": True,
    "precision": "auto",
    "batch_size": 2,
}


def experiment(work: Path, name: str, more: str = "") -> list[object]:
    """The arguments of a program for an experiment on the made-up data set."""
    path = work / f"{name}.yaml"
    path.write_text(f"data_set: {DATA_SET}\nfolds: [0, 1]\nthreads: 1\nprepare: {{fold_count: 2}}\n{GRID}\n{more}\n")
    return ["--config", path, "--work", work]


def sees_and_stops(folds=(0, 1)) -> Ledger:
    """Of two folds' networks: each learns from the other fold, and its own chooses its epochs."""
    numbers = np.arange(TRAIN)
    parts = []
    for fold in folds:
        for role, chosen in (("train", numbers // 3 % 2 != fold), ("early_stop", numbers // 3 % 2 == fold)):
            patients = [f"p{number:03d}" for number in numbers[chosen]]
            parts.append(Ledger.of(DATA_SET, patients, role, fold_part(fold)))
    return Ledger.joined(parts)


def without_figures(monkeypatch) -> None:
    """Pictures take longer than all the rest."""
    for program, draw in (("pneumothorax_thresholds", "draw_surface"), ("pneumothorax_submit", "draw_gallery")):
        monkeypatch.setattr(work_of(program), draw, lambda path, *_: path.write_bytes(b"picture"))


def made_work(work: Path) -> Path:
    """A work folder with films, a sample submission, and the maps of one experiment."""
    films = "".join(f"film{number:03d},-1\n" for number in (27, 24, 26, 25))
    made_films(work, train=TRAIN, test=TEST, sample=f"ImageId,EncodedPixels\n{films}unknown,-1\n".encode())
    arrays = [seeing_map(number) for number in range(TRAIN + TEST)]
    made_maps(work, "one", arrays, [0, 1], SETTINGS, seen=sees_and_stops())
    return work
