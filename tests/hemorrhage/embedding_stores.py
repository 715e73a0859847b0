"""A small work folder with embeddings as stage 13 leaves them, for the tests of export and import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import PREPARE, SLICES, data_folder
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA, open_data_set, read_slices
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Provenance, output
from hounsfield.core.stages.times import TIMES
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.tables import write_table
from hounsfield.hemorrhage.embedding_archive import import_embeddings
from hounsfield.hemorrhage.paths import EXTRACT, ROWS, ROWS_SCHEMA, classifier_folder, store_folder
from killed_runs import files_left
from programs import run_program

DATA_SET, EXPERIMENT, WIDTH = "toy", "tiny", 5
VIEWS = ["identity", "hflip"]


def make_slices(work: Path, count: int = 12, prefix: str = "ID_") -> None:
    """The data set, or another one in its place."""
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
    folder = data_folder(work, DATA_SET)
    with output(folder, Provenance(PREPARE, {"fold_count": 5}, {}), force=True, remedy="") as out:
        write_table(folder / SLICES, rows.assign(**known), SLICE_SCHEMA)
        sample_submission_path(work, DATA_SET).write_text("ID,Label\nID_0008_any,0.5\n")
        out.finish([SLICES], facts={"source": ["--archive", "/a/secret/place"]})


def make_store(work: Path, fold: str, epoch: int) -> Path:
    """One store, by a classifier that is not at hand."""
    folder, data = store_folder(work, DATA_SET, EXPERIMENT, fold, epoch), open_data_set(work, DATA_SET, str)
    slices, generator = read_slices(data), np.random.default_rng([int(fold), epoch])
    record = (classifier_folder(work, EXPERIMENT, fold) / "output.json").relative_to(work)
    inputs = {"data set": data.as_input(), "classifier": Input("0" * 64, record.as_posix(), {"fold": fold})}
    with output(folder, Provenance(EXTRACT, {"fold": fold, "epoch": epoch}, inputs), force=True, remedy="") as out:
        for view in VIEWS:
            write_array(folder / f"{view}.npy", generator.random((len(slices), WIDTH)).astype(np.float16))
        write_array(folder / "logits.npy", generator.random((len(slices), 6)).astype(np.float32))
        write_table(folder / ROWS, slices, ROWS_SCHEMA)
        out.finish(
            [ROWS, "logits.npy", *(f"{view}.npy" for view in VIEWS)],
            learned=Ledger.of(DATA_SET, {"P0", "P1"} - {f"P{fold}"}, role="upstream"),
            facts={"rows": len(slices), "width": WIDTH, "dtype": "float16", "views": VIEWS},
        )
    return folder


def make_work(work: Path) -> Path:
    """A work folder with two folds of two epochs, as stage 13 leaves it."""
    make_slices(work)
    for fold in ("0", "1"):
        for epoch in (0, 1):
            make_store(work, fold, epoch)
    return work


def write_config(folder: Path) -> Path:
    """The experiment's configuration."""
    path = folder / "configs" / f"{EXPERIMENT}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"data_set: {DATA_SET}\nfolds: [0, 1]\nclassifier:\n  epochs: 2\n")
    return path


def export(work: Path, *more: object) -> Path:
    """Pack the stores into `tiny.tar` beside the work folder."""
    archive, config = work.parent / f"{EXPERIMENT}.tar", write_config(work.parent)
    run_program("hemorrhage_export_embeddings", "--config", config, "--work", work, "--output", archive, *more)
    return archive


def take(archive: Path, work: Path, *, force: bool = False) -> Path:
    """Import; returns the path of the configuration."""
    subject, _ = import_embeddings(archive, work, force=force, remedy="the same command")
    return subject.config


def contents_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder but locks, and what was made when."""
    return files_left(folder, but=[TIMES])
