"""The spine system's stages by name, and where their files lie below the work folder.

Writer and reader of a file share its function. A fold is a number, or `all`: trained on every study.
"""

from __future__ import annotations

from pathlib import Path

from hounsfield.competitions.rsna2022.paths import data_folder
from hounsfield.spine.nested import Folds, name_of

BOXES = "run_52_spine_boxes"  # the stages
VERTEBRAE = "run_53_spine_vertebrae"
FRACTURE = "run_54_spine_fracture"
STUDY = "run_55_spine_study"
PREDICT = "run_56_spine_predict"

WEIGHTS = "weights.safetensors"  # of a finished training; written after its last epoch, with facts in .json beside it
TABLE = "rows.parquet"  # of boxes, pseudo-labels or predictions
BAG = "bag.parquet"  # of stage 56: the mean over networks, of out-of-fold studies and of those without labels
CURVES = "curves.parquet"  # where the vertebrae of studies without labels lie, PSEUDO_SCHEMA
SCORES = "scores.csv"


def run_folder(work: Path, experiment: str, stage: str, model: str, fold: int | str, seed: int) -> Path:
    """What one training left. stage: boxes, vertebrae, fracture or study; written by 52 to 55."""
    name = f"fold{fold}_seed{seed}"
    return work / "checkpoints" / "spine" / experiment / stage / model / name


def boxes_folder(work: Path, data_set: str, experiment: str, without: Folds = ()) -> Path:
    """One box and range of slices per study of a data set; written by stage 52, read by 53 to 56.

    without: folds that they know nothing of.
    """
    return _kept_apart(data_folder(work, data_set) / "boxes" / experiment, without)


def pseudo_labels_folder(work: Path, data_set: str, experiment: str, without: Folds = ()) -> Path:
    """How much of each vertebra, and of its fracture, each slice shows; written by stage 53, read by stage 54.

    without: folds that they know nothing of.
    """
    return _kept_apart(data_folder(work, data_set) / "pseudo_labels" / experiment, without)


def _kept_apart(folder: Path, without: Folds) -> Path:
    return folder / f"without{name_of(without)}" if without else folder


def study_predictions_folder(work: Path, experiment: str, model: str, fold: int | str, seed: int) -> Path:
    """What one network of stage 55 says of its validation fold's studies; written by it, read by stage 56."""
    return predictions_folder(work, None, experiment) / "study" / model / f"fold{fold}_seed{seed}"


def predictions_folder(work: Path, data_set: str | None, experiment: str) -> Path:
    """Predictions of studies, scores, submission, pictures; by 55 and 56. data_set: None for the experiment's own."""
    folder = work / "preds" / "spine" / experiment
    return folder if data_set is None else folder / "studies" / data_set


def slices_folder(predictions: Path, study: str) -> Path:
    """What the networks of stage 54 say of one study's slices; written where the study is viewed, beside stage 56's."""
    return predictions / "slices" / study
