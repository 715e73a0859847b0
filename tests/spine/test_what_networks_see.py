"""What each network is shown of a study, and what it is told of it: crop, interpolation, steps and targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from hounsfield.competitions.rsna2022.labels import NAMES, VERTEBRAE
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.competitions.rsna2022.tables import BOX, RATIOS, open_data_set, read_slices, read_studies
from hounsfield.core.imaging.boxes import Box
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.spine import fracture_training
from hounsfield.spine.boxes import read_boxes
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig
from hounsfield.spine.fracture_run import FractureRun, open_neck
from hounsfield.spine.images import grey_slices, triplets
from hounsfield.spine.network_run import NetworkKey
from hounsfield.spine.ratio_training import RatioRun, training_windows
from hounsfield.spine.remedies import SpineCommand
from hounsfield.spine.study_images import StudyImages, neck_ranges
from reference import neck_boxes, study_windows
from spine.found_necks import found_boxes, found_pseudo_labels
from spine.made_data import COLUMNS, DATA_SET, ROWS, made_necks
from spine.necks import CONFIG, EXPERIMENT

SIZE, L = 32, 24
FRACTURE = """
fracture:
  models:
    - name: small
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 0, epochs: 1, batch_size: 2}
      seeds: [7]
"""


class Made(NamedTuple):
    """Necks of 60 slices and more, whose boxes and pseudo-labels are the true ones."""

    command: SpineCommand
    data: Upstream
    studies: pd.DataFrame
    slices: pd.DataFrame

    def images(self, row: int, slices: np.ndarray, *, crop: bool, bicubic: bool) -> Tensor:
        """Slices of a study as a network should see them, by the square of the reference."""
        study, box = self.studies.iloc[row], read_boxes(open_neck(self.command, self.data).boxes).iloc[row]
        square = Box(*neck_boxes.square(box[list(BOX)].astype(int).tolist(), ROWS, COLUMNS)) if crop else None
        volume = np.load(volume_path(self.data.work, DATA_SET, study["study_uid"]))
        intensity = self.command.config.intensity
        return torch.from_numpy(triplets(grey_slices(volume, slices, square, SIZE, intensity, bicubic=bicubic)))

    def of_study(self, row: int) -> pd.DataFrame:
        """The rows of a study's slices."""
        return self.slices[self.slices["study_uid"] == self.studies["study_uid"][row]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    work = tmp_path_factory.mktemp("work")
    made_necks(work, train=2, test=0, slices=(60, 70))
    found_boxes(work, EXPERIMENT)
    found_pseudo_labels(work, EXPERIMENT)
    (work / f"{EXPERIMENT}.yaml").write_text(CONFIG + FRACTURE)
    stage = Stage(SpineConfig, "", DEFAULT_CONFIG, single=True)
    command = parse(stage_parser(stage), stage, ["--config", str(work / f"{EXPERIMENT}.yaml"), "--work", str(work)])
    data = open_data_set(work, DATA_SET, lambda stage, *_: stage)
    return Made(command, data, read_studies(data), read_slices(data))


@pytest.mark.parametrize(("place", "crop", "step"), [(0, False, 8), (1, True, L)])
def test_ratio_networks_see_whole_slices_or_bicubic_squares_with_the_ratios_of_each(
    made: Made, place: int, crop: bool, step: int
) -> None:
    """Necks of some 40 slices ask the sparse model for a window in every 50, and at least one in every window."""
    run = RatioRun(made.command, NetworkKey(made.command.config.vertebrae.models[place], "0", 0))
    boxes = open_neck(made.command, made.data).boxes
    windows = training_windows(run, made.data, boxes, made.studies, made.slices)
    counts = made.studies["slices"].tolist()
    expected = [(row, start) for row, count in enumerate(counts) for start in study_windows.starts(count, L, step)]
    assert list(map(tuple, windows.rows.tolist())) == expected
    for number in (1, len(expected) - 1):
        (row, start), window = expected[number], windows[UNAUGMENTED, number]
        shown = np.arange(start, start + L)
        assert torch.equal(window.triplets, made.images(row, shown, crop=crop, bicubic=crop))
        ratios = made.of_study(row)[list(RATIOS)].to_numpy(np.float32)[shown]
        np.testing.assert_array_equal(window.targets, ratios)
        assert ratios.any()


def test_fracture_networks_see_bilinear_squares_with_ratios_fractures_and_the_most_of_these(made: Made) -> None:
    run, neck = (
        FractureRun(made.command, NetworkKey(made.command.config.fracture.models[0], "0", 7)),
        open_neck(made.command, made.data),
    )
    studies = fracture_training.studies_of(run, neck, made.studies)
    windows = fracture_training.windows_of(run, studies, 16, "")
    (row, start), window = windows.rows[-1].tolist(), windows[UNAUGMENTED, len(windows) - 1]
    shown = np.arange(start, start + L)
    assert torch.equal(window.triplets, made.images(row, shown, crop=True, bicubic=False))
    ratios = made.of_study(row)[list(RATIOS)].to_numpy(np.float32)[shown[1::3]]
    fractures = ratios * made.studies.loc[row, list(VERTEBRAE)].to_numpy(np.float32)
    np.testing.assert_array_equal(window.targets, np.column_stack([ratios, fractures, fractures.max(axis=1)]))
    np.testing.assert_allclose(window.positions, 200 * shown[1::3] / (made.studies["slices"][row] - 1), atol=1e-4)


def test_any_fracture_of_a_slice_is_the_most_of_its_seven() -> None:
    rows = {f"{name}_pred": [0.9 - place / 10] for place, name in enumerate(VERTEBRAE)}
    rows |= {f"{name}_frac": [0.5 if name == "C3" else 0.1 if name == "C6" else 0.0] for name in VERTEBRAE}
    found = fracture_training.fracture_targets(pd.DataFrame(rows))[0].tolist()
    assert found == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0, 0, 0.5, 0, 0, 0.1, 0, 0.5])


def test_study_networks_see_bilinear_squares_and_overall_before_c1(made: Made) -> None:
    boxes = open_neck(made.command, made.data).boxes
    ranges = neck_ranges(made.data, boxes, made.studies, 2)
    batch = StudyImages(ranges, SIZE, made.command.config.intensity, (1,), volume_remedy="")[UNAUGMENTED, 1]
    assert torch.equal(batch.triplets, made.images(1, ranges[1].slices, crop=True, bicubic=False))
    assert batch.labels[0].tolist() == made.studies.loc[1, list(NAMES)].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
