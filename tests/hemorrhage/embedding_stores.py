"""A small work folder with embeddings as stage 13 leaves them, for the tests of export and import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import sample_submission_path, slices_path
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.files import file_digest, write_json
from hounsfield.core.storage.tables import write_table
from hounsfield.hemorrhage.embedding_archive import Subject, export_embeddings
from hounsfield.hemorrhage.paths import ROWS_SCHEMA, store_folder

DATA_SET, EXPERIMENT, WIDTH = "toy", "tiny", 5


def make_slices(work: Path, count: int = 12, prefix: str = "ID_") -> None:
    rows = pd.DataFrame(dict.fromkeys(SLICE_SCHEMA.names), index=range(count))
    known = {
        "image_id": [f"{prefix}{row:04d}" for row in range(count)],
        "split": ["train"] * (count - 4) + ["test"] * 4,
        "series": [row // 4 for row in range(count)],
        "order": [row % 4 for row in range(count)],
        "patient_id": [f"P{row // 4}" for row in range(count)],
        **dict.fromkeys(CLASSES, 0),
        "fold": [row // 4 for row in range(count)],
    }
    write_table(slices_path(work, DATA_SET), rows.assign(**known), SLICE_SCHEMA)
    sample_submission_path(work, DATA_SET).write_text("ID,Label\nID_0008_any,0.5\n")


def make_store(work: Path, fold: str, epoch: int) -> Path:
    folder = store_folder(work, DATA_SET, EXPERIMENT, fold, epoch)
    slices = pd.read_parquet(slices_path(work, DATA_SET))
    generator = np.random.default_rng([int(fold), epoch])
    origin = {"slices_sha256": file_digest(slices_path(work, DATA_SET)), "weights_sha256": "0" * 64}
    claim(folder, Recipe("embeddings", {}, origin), force=True)
    for view in ("identity", "hflip"):
        write_array(folder / f"{view}.npy", generator.random((len(slices), WIDTH)).astype(np.float16))
    write_array(folder / "logits.npy", generator.random((len(slices), 6)).astype(np.float32))
    write_table(folder / "rows.parquet", slices, ROWS_SCHEMA)
    files = ("identity.npy", "hflip.npy", "logits.npy", "rows.parquet")
    manifest = {
        "experiment": EXPERIMENT,
        "data_set": DATA_SET,
        "fold": fold,
        "epoch": epoch,
        **origin,
        "rows": len(slices),
        "width": WIDTH,
        "dtype": "float16",
        "views": ["identity", "hflip"],
        "files": {name: file_digest(folder / name) for name in files},
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def make_work(work: Path) -> Path:
    """A work folder with two folds of two epochs, as stage 13 leaves it."""
    make_slices(work)
    for fold in ("0", "1"):
        for epoch in (0, 1):
            make_store(work, fold, epoch)
    return work


def export(work: Path, *, folds: tuple[str, ...] | None = None, force: bool = False) -> Path:
    """Pack the stores into `tiny.tar` beside the work folder."""
    archive, config = work.parent / f"{EXPERIMENT}.tar", work.parent / f"{EXPERIMENT}.yaml"
    config.write_text(f"data_set: {DATA_SET}\nclassifier:\n  epochs: 2\n")
    export_embeddings(Subject(work, EXPERIMENT, DATA_SET), config, archive, folds=folds, epochs=(0, 1), force=force)
    return archive


def contents_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder but locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
