"""Where the stacking system's files lie below the work folder. Writer and reader of a file share its function."""

from __future__ import annotations

from pathlib import Path

from hounsfield.competitions.rsna2019.paths import data_folder


def hu_folder(work: Path, data_set: str) -> Path:
    """The images in Hounsfield units; written by stage 41, read by stages 42 and 43."""
    return data_folder(work, data_set) / "hu"


def hu_parts_folder(work: Path, data_set: str) -> Path:
    """What stage 41 has done so far: which file each image in Hounsfield units was made from."""
    return data_folder(work, data_set) / "hu_parts"


def stacking_slices_path(work: Path, data_set: str, experiment: str) -> Path:
    """One row a slice, with this system's folds; written by stage 41, read by stages 42 to 45."""
    return data_folder(work, data_set) / "stacking" / experiment / "slices.parquet"


def network_folder(work: Path, experiment: str, network: str, fold: int) -> Path:
    """Weights of one classifier held against one fold; written by stage 42, read by stage 43."""
    return work / "checkpoints" / "stacking" / experiment / network / f"fold{fold}"


def network_weights(work: Path, experiment: str, network: str, fold: int, epoch: int) -> Path:
    """Weights after one epoch; written by stage 42, read by stage 43."""
    return network_folder(work, experiment, network, fold) / f"epoch{epoch}.safetensors"


def predictions_folder(work: Path, experiment: str) -> Path:
    """All predictions of one experiment; stage 45 leaves its submission and scores here."""
    return work / "preds" / "stacking" / experiment


def predictions_path(work: Path, experiment: str, network: str, fold: int, epoch: int) -> Path:
    """Six probabilities a slice by one checkpoint; written by stage 43, read by stages 44 and 45."""
    return predictions_folder(work, experiment) / network / f"fold{fold}_epoch{epoch}" / "predictions.parquet"


def boosters_folder(work: Path, experiment: str, booster: str, stopping: str) -> Path:
    """The second level's models of one library; written and read by stage 44. stopping: `nested` or `scored_fold`."""
    return work / "checkpoints" / "stacking" / experiment / booster / stopping


def second_level_path(work: Path, experiment: str, booster: str, stopping: str) -> Path:
    """Six probabilities a slice by one library's models; written by stage 44, read by stage 45."""
    return predictions_folder(work, experiment) / f"{booster}_{stopping}.parquet"
