"""Where the hemorrhage system's files lie below the work folder. Writer and reader of a file share its function."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from hounsfield.competitions.rsna2019.paths import data_folder

TRAIN_CLASSIFIER = "run_12_trainfull_imgclassifier"  # the stages
EXTRACT = "run_13_trainfull_embedding_extract"
TRAIN_SEQUENCE = "run_14_trainfull_sequential"
BAG = "run_15_bagged_submission"
EXPORT = "run_16_export_embeddings"
IMPORT = "run_31_fastprediction_only"
WALKTHROUGH = "run_82_walkthrough"

ROWS = "rows.parquet"  # of a store: the order of its rows
ROWS_SCHEMA = pa.schema([("image_id", pa.string())])
LOGITS = "logits"  # the array of a store that holds the classifier's outputs
PROBABILITIES = "probabilities.npy"  # of a sequence network: (N, 6), the mean over its last epochs
PREDICTIONS = "predictions.parquet"  # of a run: out-of-fold and test slices
MEANS, SCORES = "bag.parquet", "scores.csv"  # of the bag: of the same slices, and the score table


def classifier_folder(work: Path, experiment: str, fold: str) -> Path:
    """Classifier weights of one fold; written by stage 12, read by stage 13."""
    return work / "checkpoints" / "hemorrhage" / experiment / f"fold{fold}"


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
    """The sequence network on the embeddings by one classifier checkpoint; written and read by stage 14."""
    return work / "checkpoints" / "hemorrhage" / experiment / f"fold{fold}" / f"sequence_epoch{epoch}"


def ablation_folder(work: Path, experiment: str, fold: str, epoch: int, ablation: str) -> Path:
    """The same network trained with something left out; written and read by the walk-through."""
    return sequence_folder(work, experiment, fold, epoch).with_name(f"{ablation}_epoch{epoch}")


def predictions_folder(work: Path, experiment: str, trained_on: str, data_set: str) -> Path:
    """Submission of one experiment; of another data set than the one it was trained on, in a folder of that name."""
    folder = work / "preds" / "hemorrhage" / experiment
    return folder if data_set == trained_on else folder / data_set


def run_folder(folder: Path, fold: str, epoch: int) -> Path:
    """Predictions of one run, below the submission's folder; written by stage 14, read by stage 15."""
    return folder / f"fold{fold}_epoch{epoch}"


def walkthrough_path(work: Path, experiment: str) -> Path:
    """The page that explains the sequence network on the experiment's own numbers."""
    return work / "preds" / "hemorrhage" / experiment / "walkthrough.html"
