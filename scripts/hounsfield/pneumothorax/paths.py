"""The pneumothorax system's stages by name, and where their files lie below the work folder.

Writer and reader of a file share its function.
"""

from __future__ import annotations

from pathlib import Path

from hounsfield.competitions.siim2019.paths import data_folder

TRAIN = "run_62_pneumothorax_train"  # the stages
MAPS = "run_63_pneumothorax_maps"
THRESHOLDS = "run_64_pneumothorax_thresholds"
SUBMIT = "run_65_pneumothorax_submit"

TOP = "top.json"  # of a part: the epochs whose weights it kept, the best first, each with its score


def part_folder(work: Path, experiment: str, fold: int, part: int) -> Path:
    """What one part of one fold's training left; written by stage 62, read by its later parts and by stage 63."""
    return work / "checkpoints" / "pneumothorax" / experiment / f"fold{fold}" / f"part{part}"


def maps_folder(work: Path, data_set: str, experiment: str) -> Path:
    """Probability maps of one data set's films by one experiment; written by stage 63, read by stages 64 and 65."""
    return data_folder(work, data_set) / "maps" / experiment


def thresholds_folder(work: Path, experiment: str) -> Path:
    """The rules that were chosen for one experiment; written by stage 64, read by stage 65."""
    return predictions_folder(work, experiment) / "thresholds"


def predictions_folder(work: Path, experiment: str, applied_to: str = "") -> Path:
    """Scores, submission and gallery of one experiment; written by stage 65.

    applied_to: another data set than the one trained on, whose answers are in a folder of that name; "" for that one.
    """
    return work / "preds" / "pneumothorax" / experiment / applied_to
