"""The stacking system's stages by name, and where their files lie below the work folder.

Writer and reader of a file share its function.
"""

from __future__ import annotations

from pathlib import Path

from hounsfield.competitions.rsna2019.paths import data_folder

DATA = "run_41_stacking_data"  # the stages
TRAIN = "run_42_stacking_train"
PREDICT = "run_43_stacking_predict"
LEARN = "run_44_stacking_second_level"
AVERAGE = "run_45_stacking_ensemble"
PREDICTIONS = "predictions.parquet"  # of the classifiers, and of the second level
SUBMISSION, SCORES, ENSEMBLE = "submission.csv.gz", "scores.csv", "ensemble.parquet"


def hu_folder(work: Path, data_set: str) -> Path:
    """The images in Hounsfield units, of all experiments; written by stage 41, read by stages 42 and 43."""
    return data_folder(work, data_set) / "hu"


def hu_parts_folder(work: Path, data_set: str) -> Path:
    """What stage 41 has done so far: which file each image in Hounsfield units was made from."""
    return data_folder(work, data_set) / "hu_parts"


def stacking_data_folder(work: Path, data_set: str, experiment: str) -> Path:
    """One row per slice, with this system's folds (`slices.parquet`); written by stage 41, read by stages 42 to 46."""
    return data_folder(work, data_set) / "stacking" / experiment


def network_folder(work: Path, experiment: str, network: str, fold: int) -> Path:
    """Weights of one classifier that has not seen one fold; written by stage 42, read by stage 43."""
    return work / "checkpoints" / "stacking" / experiment / network / f"fold{fold}"


def predictions_folder(work: Path, experiment: str, applied_to: str = "") -> Path:
    """All predictions of one experiment; stage 45 leaves its submission and scores here.

    applied_to: another data set than the one trained on, in a folder of that name; "" for that one.
    """
    return work / "preds" / "stacking" / experiment / applied_to


def network_predictions_folder(
    work: Path, experiment: str, network: str, fold: int, epoch: int, applied_to: str = ""
) -> Path:
    """Six probabilities per slice by one checkpoint; written by stage 43, read by stages 44 and 45."""
    return predictions_folder(work, experiment, applied_to) / network / f"fold{fold}_epoch{epoch}"


def boosters_folder(work: Path, experiment: str, booster: str, stopping: str) -> Path:
    """The second level's models of one library; written and read by stage 44. stopping: `nested` or `scored_fold`."""
    return work / "checkpoints" / "stacking" / experiment / booster / stopping


def second_level_folder(work: Path, experiment: str, booster: str, stopping: str, applied_to: str = "") -> Path:
    """Six probabilities per slice by one library's models; written by stage 44, read by stage 45."""
    return predictions_folder(work, experiment, applied_to) / f"{booster}_{stopping}"
