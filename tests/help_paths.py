"""The paths that the words above a stage name as its output, and which of them it has not written."""

from __future__ import annotations

import re
from pathlib import Path

from programs import REPOSITORY

FILE = r"[\w<>-]+(?:\.csv\.gz|\.csv|\.parquet|\.json|\.npy|\.safetensors)"
PATH = re.compile(rf"(?:(?:data|checkpoints|preds)/[^\s,;()]*|(?<=[ ,])[a-z]+/(?:{FILE})?|{FILE})")
ROOTS = ("data/", "checkpoints/", "preds/")
MEANT = {"<system>": "hemorrhage", "<k>": "0", "<e>": "0", "<view>": "identity", "<booster>": "lightgbm"}


def outputs(stage: str, of: str = "", **meant: str) -> list[str]:
    """The paths behind `Out:` in the words above a stage; a name without a folder lies where the one before it does.

    of: what the wanted sentences are of, where they begin with `Of this: `; by default those before any such words.
    """
    head = (REPOSITORY / "bin" / stage).read_text().split("\n#\n")[0]
    text = re.sub(r"\n# +", " ", head.partition("# Out:")[2]).replace("<data set>", "<data_set>")
    first, *others = re.split(r"\. Of ([\w ]+): ", text)
    text = {"": first, **dict(zip(others[::2], others[1::2], strict=True))}[of]
    found, folder = [], ""
    for path in PATH.findall(text):
        for word, value in {**MEANT, **{f"<{name}>": value for name, value in meant.items()}}.items():
            path = path.replace(word, value)
        path = path if path.startswith(ROOTS) else folder + path
        folder = path if path.endswith("/") and path.count("/") > 1 and not path.startswith(folder or "-") else folder
        if not path.endswith("/"):
            folder = path.rpartition("/")[0] + "/"
        found.append(path)
    return found


def missing(work: Path, stage: str, of: str = "", **meant: str) -> list[str]:
    paths = outputs(stage, of, **meant)
    assert paths, f"{stage} names no output"
    return [path for path in paths if not (work / path).exists()]
