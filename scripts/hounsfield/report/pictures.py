"""The rows that a report shows as pictures: small PNG files, and the same within the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.evaluation.run_report import Level
from hounsfield.core.logs import logger
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.image_files import encode_png
from hounsfield.report.examples import Example
from hounsfield.report.json_numbers import number

HEIGHT = 160  # pixels


def examples_shown(folder: Path, level: Level, examples: Sequence[Example], stem: str) -> list[dict[str, Any]]:
    """What is said of each example, and its picture, written as a file into `folder`; without one where it is gone."""
    found, gone = [], 0
    for place, example in enumerate(examples):
        file = f"{stem}_{place}.png"
        encoded = _encoded(level, example)
        gone += encoded is None
        if encoded is not None:
            write_bytes(folder / file, encoded)
        found.append(
            {
                "kind": example.kind,
                "name": level.names[example.column],
                "row": str(level.ids[example.row]),
                "fold": int(level.folds[example.row]),
                "label": number(level.labels[example.row, example.column]),
                "probabilities": {
                    stage.name: number(stage.probabilities[example.row, example.column]) for stage in level.stages
                },
                "losses": {stage.name: number(stage.losses[example.row]) for stage in level.stages},
                "file": None if encoded is None else file,
            }
        )
    if gone:
        logger.warning("report: %d of %d pictures are not there any more", gone, len(examples))
    return found


def _encoded(level: Level, example: Example) -> bytes | None:
    """The picture of an example as PNG, HEIGHT pixels high; None where the level has none or its file is gone."""
    if level.picture is None:
        return None
    try:
        image = level.picture(example.row, example.column)
    except (MissingInput, BadInput) as error:
        logger.debug("%s", error)
        return None
    width = max(1, round(image.shape[1] * HEIGHT / image.shape[0]))
    small = cv2.resize(np.ascontiguousarray(image), (width, HEIGHT), interpolation=cv2.INTER_AREA)
    return encode_png(small)


def sources(folder: Path, examples: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The pictures of examples as they stand in a page, by the name of their file in `folder`."""
    files = [str(one["file"]) for one in examples if one["file"]]
    return {file: f"data:image/png;base64,{base64.b64encode((folder / file).read_bytes()).decode()}" for file in files}
