"""A small prepared data set, embedding stores and predictions as the stages 01, 13 and 14 leave them, without images.

Labels, logits and predictions are made up, so that the classifier beats the prior, the sequence network the classifier,
and the bag the sequence network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import sample_submission_path, slices_path
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA, add_labels_and_folds, read_slices
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, write_predictions
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.files import file_digest, write_json
from hounsfield.core.storage.tables import write_table
from hounsfield.hemorrhage.config import (
    ClassifierConfig,
    EmbeddingConfig,
    HemorrhageConfig,
    SequenceConfig,
    extracted_epochs,
    sequence_settings,
)
from hounsfield.hemorrhage.paths import (
    LOGITS,
    ROWS_SCHEMA,
    array_path,
    predictions_folder,
    predictions_path,
    store_folder,
)

DATA_SET = "toy"
EMBEDDING_WIDTH = 4


def toy_config(data_set: str = DATA_SET, folds: tuple[int, ...] = (0, 1, 2, 3, 4), epochs: int = 2) -> HemorrhageConfig:
    """A configuration of stages that take no time."""
    return HemorrhageConfig(
        data_set=data_set,
        folds=folds,
        classifier=ClassifierConfig(epochs=epochs),
        embedding=EmbeddingConfig(views=("identity",)),
        sequence=SequenceConfig(hidden_units=8, epochs=2, epochs_to_bag=2),
    )


def write_config(folder: Path, experiment: str, config: HemorrhageConfig) -> Path:
    """The experiment's YAML, with those values that `toy_config` sets."""
    values = {
        "data_set": config.data_set,
        "folds": list(config.folds),
        "classifier": {"epochs": config.classifier.epochs},
        "embedding": {"views": list(config.embedding.views)},
        "sequence": {"hidden_units": config.sequence.hidden_units, "epochs": 2, "epochs_to_bag": 2},
    }
    path = folder / f"{experiment}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values))
    return path


def make_data_set(
    work: Path, name: str = DATA_SET, *, patients: int = 40, test_patients: int = 5, slices: int = 6, seed: int = 0
) -> pd.DataFrame:
    """Write slices.parquet (each patient one series of `slices` slices) and return its rows."""
    generator = np.random.default_rng(seed)
    count = patients + test_patients
    number = np.repeat(np.arange(count), slices)
    order = np.tile(np.arange(slices), count)
    hashes = generator.permutation(1_000_000)[: len(number)]
    rows = pd.DataFrame(
        {
            "image_id": [f"ID_{name}{value:06d}" for value in hashes],
            "path": [f"images/{value:06d}.dcm" for value in hashes],
            "patient_id": [f"ID_p{value:04d}" for value in number],
            "study_uid": [f"ID_t{value:04d}" for value in number],
            "series_uid": [f"ID_s{value:04d}" for value in number],
            "series": number,
            "order": order,
            "normal_mm": order * 5.0,
        }
    )
    ill = generator.random((count, 5)) < 0.4
    shown = (generator.random((len(number), 5)) < 0.8) & ill[number]
    labels = pd.DataFrame(np.column_stack([shown, shown.any(axis=1)]).astype(np.int8), rows["image_id"], list(CLASSES))
    table = add_labels_and_folds(rows, labels[number < patients] if patients else None, 5)
    write_table(slices_path(work, name), table.reindex(columns=SLICE_SCHEMA.names).astype(object), SLICE_SCHEMA)
    return read_slices(work, name)


def write_sample(work: Path, ids: list[str], name: str = DATA_SET) -> None:
    """The sample submission, as preparation copies it from the archive."""
    path = sample_submission_path(work, name)
    path.write_text("ID,Label\n" + "".join(f"{one},0.5\n" for one in ids))


def guesses(slices: pd.DataFrame, *, sharpness: float, noise: float, seed: int) -> np.ndarray:
    """Logits (N, 6) that know the truth up to noise; of test slices pure noise."""
    generator = np.random.default_rng(seed)
    truth = slices[list(CLASSES)].astype("float64").fillna(0.5).to_numpy()
    return sharpness * (2 * truth - 1) + noise * generator.standard_normal(truth.shape)


def make_store(work: Path, experiment: str, fold: str, epoch: int, data_set: str = DATA_SET) -> Path:
    """One store of embeddings as stage 13 leaves it; returns its folder."""
    slices = read_slices(work, data_set)
    folder = store_folder(work, data_set, experiment, fold, epoch)
    seed = 100 * epoch + (9 if fold == "all" else int(fold))
    origin = {"weights_sha256": f"{seed:064d}", "slices_sha256": file_digest(slices_path(work, data_set))}
    claim(folder, Recipe("embeddings", {}, origin), force=True)
    embeddings = np.random.default_rng(seed).random((len(slices), EMBEDDING_WIDTH)).astype(np.float16)
    write_array(array_path(folder, "identity"), embeddings)
    write_array(array_path(folder, LOGITS), guesses(slices, sharpness=2, noise=1.5, seed=seed).astype(np.float32))
    write_table(folder / "rows.parquet", slices, ROWS_SCHEMA)
    manifest = {
        "experiment": experiment,
        "data_set": data_set,
        "fold": fold,
        "epoch": epoch,
        **origin,
        "rows": len(slices),
        "width": EMBEDDING_WIDTH,
        "dtype": "float16",
        "views": ["identity"],
        "files": {name: file_digest(folder / name) for name in ("identity.npy", "logits.npy", "rows.parquet")},
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def make_predictions(
    work: Path, experiment: str, config: HemorrhageConfig, fold: str, epoch: int, data_set: str | None = None
) -> Path:
    """One run's table of predictions as stage 14 leaves it; returns its path."""
    data_set = data_set or config.data_set
    slices = read_slices(work, data_set)
    foreign = data_set != config.data_set
    is_test = np.full(len(slices), foreign) | (slices["split"] == "test").to_numpy()
    held_out = ~is_test & (slices["fold"] == (-1 if fold == "all" else int(fold))).to_numpy()
    seed = 1000 + 100 * epoch + (9 if fold == "all" else int(fold)) + 10_000 * (experiment == "no_crop")
    logits = guesses(slices, sharpness=2.5, noise=1.5, seed=seed)
    frame = pd.DataFrame(1 / (1 + np.exp(-logits)), columns=list(CLASSES))
    frame = frame.assign(image_id=slices["image_id"], split=np.where(is_test, TEST, OUT_OF_FOLD))[is_test | held_out]
    store = store_folder(work, data_set, experiment, fold, epoch) / "manifest.json"
    manifest: dict[str, Any] = {
        "stage": "sequence",
        "experiment": experiment,
        "data_set": data_set,
        "fold": fold,
        "epoch": epoch,
        "settings": sequence_settings(config),
        "inputs": {"slices": file_digest(slices_path(work, data_set)), "store": file_digest(store)},
    }
    path = predictions_path(predictions_folder(work, experiment, config.data_set, data_set), fold, epoch)
    write_predictions(path, LABELS, frame, manifest)
    return path


def make_runs(
    work: Path,
    experiment: str,
    config: HemorrhageConfig,
    *,
    folds: tuple[str, ...] | None = None,
    data_set: str | None = None,
) -> None:
    """Stores and predictions of every fold and extracted epoch."""
    for fold in folds if folds is not None else tuple(map(str, config.folds)):
        for epoch in extracted_epochs(config):
            make_store(work, experiment, fold, epoch, data_set or config.data_set)
            make_predictions(work, experiment, config, fold, epoch, data_set)
