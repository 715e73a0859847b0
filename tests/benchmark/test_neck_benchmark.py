"""The benchmark of windows of necks: that both ways make the same, and what is held against what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.necks import FORMS, NeckFiles, neck_lines, windows_of, write_neck
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.spine.config import IntensityConfig
from reference.published_windows import published_window

SLICES, PIXELS = 12, 64


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> NeckFiles:
    return write_neck(tmp_path_factory.mktemp("neck"), SLICES, PIXELS)


@pytest.mark.parametrize("form", FORMS)
def test_a_window_of_the_volume_is_the_published_one_of_the_files(files: NeckFiles, form: str) -> None:
    box = files.square
    published = published_window(files.folders[form], 1, SLICES, (box.x0, box.y0, box.x1, box.y1), PIXELS)
    windows = windows_of(files, 1, PIXELS, SLICES, IntensityConfig(scaling="slice"))
    ours = windows[(UNAUGMENTED, 0)].triplets.numpy()
    assert ours.shape == published.shape == (SLICES // 3, PIXELS, PIXELS, 3)
    assert np.abs(ours.astype(int) - published).max() <= 1
    assert published.std() > 10


def test_speed_and_memory_are_held_against_what_is_demanded(tmp_path: Path) -> None:
    lines = neck_lines(tmp_path, slices=SLICES, pixels=PIXELS, few=1, many=3, repeats=1)
    assert [(line.unit, line.at_least, line.at_most) for line in lines] == [
        ("windows/s", None, None), ("windows/s", 10, None), ("windows/s", 10, None), ("MB", None, 1.1),
    ]  # fmt: skip
    assert all(line.reference and line.measured > 0 for line in lines)
