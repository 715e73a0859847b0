"""Every path that a stage's help names as its output is one that the stage writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shell_tree import REPOSITORY

from conftest import Work
from first_level import EXPERIMENT

FILE = r"[\w<>-]+(?:\.csv\.gz|\.csv|\.parquet|\.json|\.npy|\.safetensors)"
PATH = re.compile(rf"(?:(?:data|checkpoints|preds)/[^\s,;()]*|{FILE}|(?<=[ ,])[a-z]+/)")
MEANT = {"<system>": "hemorrhage", "<k>": "0", "<e>": "0", "<view>": "identity", "<booster>": "lightgbm"}


def outputs(stage: str, **meant: str) -> list[str]:
    """The paths behind `Out:` in the words above a stage; a name without a folder lies where the one before it does."""
    head = (REPOSITORY / "bin" / stage).read_text().split("\n#\n")[0]
    text = re.sub(r"\n# +", " ", head.partition("# Out:")[2]).replace("<data set>", "<data_set>")
    found, folder = [], ""
    for path in PATH.findall(text):
        for word, value in {**MEANT, **{f"<{name}>": value for name, value in meant.items()}}.items():
            path = path.replace(word, value)
        path = path if "/" in path.rstrip("/") else folder + path
        folder = path if path.endswith("/") and path.count("/") > 1 and not path.startswith(folder or "-") else folder
        if not path.endswith("/"):
            folder = path.rpartition("/")[0] + "/"
        found.append(path)
    return found


def missing(work: Path, stage: str, **meant: str) -> list[str]:
    paths = outputs(stage, **meant)
    assert paths, f"{stage} names no output"
    return [path for path in paths if not (work / path).exists()]


@pytest.mark.parametrize(
    "stage",
    [
        "run_01_prepare_data.sh",
        "run_12_trainfull_imgclassifier.sh",
        "run_13_trainfull_embedding_extract.sh",
        "run_14_trainfull_sequential.sh",
        "run_15_bagged_submission.sh",
    ],
)
def test_what_the_help_of_a_stage_promises_is_there(finished: Work, stage: str) -> None:
    assert missing(finished.folder, stage, data_set="phantom", experiment="mini") == []


@pytest.mark.parametrize("stage", ["run_44_stacking_second_level.sh", "run_45_stacking_ensemble.sh"])
def test_what_the_help_of_the_second_system_promises_is_there(second_level_work: Path, stage: str) -> None:
    meant = {"data_set": "phantom", "experiment": EXPERIMENT, "stopping": "nested"}
    assert missing(second_level_work, stage, **meant) == []


def test_a_path_that_is_not_written_would_be_seen(finished: Work) -> None:
    assert missing(finished.folder, "run_15_bagged_submission.sh", data_set="phantom", experiment="other") != []
