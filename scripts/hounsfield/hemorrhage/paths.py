"""Where the hemorrhage system's files lie below the work folder. Writer and reader of a file share its function."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from hounsfield.competitions.rsna2019.paths import data_folder

ROWS_SCHEMA = pa.schema([("image_id", pa.string())])  # rows.parquet of a store: the order of its rows
TRAIN_CLASSIFIER = "sh bin/run_12_trainfull_imgclassifier.sh"  # what makes a file that is missing
EXTRACT = "sh bin/run_13_trainfull_embedding_extract.sh"
TRAIN_SEQUENCE = "sh bin/run_14_trainfull_sequential.sh"
LOGITS = "logits"  # the array of a store that holds the classifier's outputs


def classifier_folder(work: Path, experiment: str, fold: str) -> Path:
    """Classifier weights of one fold; written by stage 12, read by stage 13."""
    return work / "checkpoints" / "hemorrhage" / experiment / f"fold{fold}"


def classifier_weights(work: Path, experiment: str, fold: str, epoch: int) -> Path:
    """Weights after one epoch; written by stage 12, read by stage 13."""
    return classifier_folder(work, experiment, fold) / f"epoch{epoch}.safetensors"


def embeddings_folder(work: Path, data_set: str, experiment: str) -> Path:
    """All embeddings of one experiment; packed by the export."""
    return data_folder(work, data_set) / "embeddings" / experiment


def store_folder(work: Path, data_set: str, experiment: str, fold: str, epoch: int) -> Path:
    """Embeddings by one checkpoint; written by stage 13 or the import, read by stages 14 and 15."""
    return embeddings_folder(work, data_set, experiment) / f"fold{fold}" / f"epoch{epoch}"


def array_path(folder: Path, name: str) -> Path:
    """One array of a store: a view's embeddings (N, E), or the logits (N, 6)."""
    return folder / f"{name}.npy"


def sequence_folder(work: Path, experiment: str, fold: str, epoch: int) -> Path:
    """Sequence weights and training state for one classifier checkpoint; written and read by stage 14."""
    return work / "checkpoints" / "hemorrhage" / experiment / f"fold{fold}" / f"sequence_epoch{epoch}"


def predictions_folder(work: Path, experiment: str, trained_on: str, data_set: str) -> Path:
    """Predictions of one experiment; of another data set than the one it was trained on, in a folder of that name."""
    folder = work / "preds" / "hemorrhage" / experiment
    return folder if data_set == trained_on else folder / data_set


def predictions_path(folder: Path, fold: str, epoch: int) -> Path:
    """Six probabilities a slice from one run; written by stage 14, read by stage 15."""
    return folder / f"fold{fold}_epoch{epoch}.parquet"
