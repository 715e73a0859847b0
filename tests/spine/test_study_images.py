from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.competitions.rsna2022.tables import open_data_set, read_studies
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.training.batches import UNAUGMENTED, load_batches
from hounsfield.spine.config import IntensityConfig
from hounsfield.spine.paths import BOXES, boxes_folder
from hounsfield.spine.study_images import StudyImages, neck_ranges, study_slices
from reference.neck_slices import looked_at, truncated
from spine.found_necks import found_boxes
from spine.made_data import DATA_SET, made_neck, made_necks

SIZE = 32


@given(st.integers(1, 80), st.integers(0, 79), st.integers(0, 79))
def test_the_slices_of_the_reference_are_looked_at_and_none_is_truncated(count: int, a: int, b: int) -> None:
    """Published: the end of the range was looked up, and missing from studies of some lengths (defect 12)."""
    first, last = (min(one, count - 1) for one in sorted((a, b)))
    slices, wanted = study_slices(first, last, count, 2).tolist(), list(range(*looked_at(first, last, count)))
    assert set(wanted) <= set(slices)
    assert len(slices) == len(wanted) + -len(wanted) % 3
    start, end = truncated(first, last, count)
    assert set(range(start, end)) <= set(slices)


@given(st.integers(1, 80), st.integers(0, 79), st.integers(0, 79), st.integers(0, 5))
def test_the_range_and_its_margins_are_looked_at_in_whole_triplets(count: int, a: int, b: int, margin: int) -> None:
    first, last = (min(one, count - 1) for one in sorted((a, b)))
    slices = study_slices(first, last, count, margin)
    wanted = range(max(0, first - margin), min(count, last + max(1, margin)))
    assert len(slices) % 3 == 0
    assert set(wanted) <= set(slices) <= set(range(count))
    assert len(slices) <= len(wanted) + 2
    whole = set(slices) == set(range(count))
    assert (np.diff(slices) == 1).all() or (whole and np.unique(slices).tolist() == slices[:count].tolist())


def test_a_triplet_that_is_begun_is_filled_up_behind_then_before_then_with_the_last_slice() -> None:
    assert study_slices(0, 3, 4, 0).tolist() == [0, 1, 2, 3, 3, 3]
    assert study_slices(10, 20, 50, 2).tolist() == list(range(8, 23))
    assert study_slices(10, 21, 50, 2).tolist() == list(range(8, 23))
    assert study_slices(10, 22, 50, 2).tolist() == list(range(8, 26))
    assert study_slices(10, 47, 50, 2).tolist() == list(range(8, 50))
    assert study_slices(9, 48, 50, 2).tolist() == list(range(5, 50))
    assert study_slices(0, 1, 2, 2).tolist() == [0, 1, 1]
    assert study_slices(0, 0, 1, 2).tolist() == [0, 0, 0]


def opened(work: Path) -> tuple[Upstream, Upstream]:
    made_necks(work, train=3, test=1)
    found_boxes(work, "necks", fallback=("1.2.001",))
    data = open_data_set(work, DATA_SET, lambda stage, *_: stage)
    return data, require(work, boxes_folder(work, DATA_SET, "necks"), BOXES, lambda stage, *_: stage)


def test_studies_of_different_lengths_make_one_batch(tmp_path: Path) -> None:
    data, boxes = opened(tmp_path)
    studies = read_studies(data)
    ranges = neck_ranges(data, boxes, studies, 2)
    assert len(ranges[1].slices) >= studies["slices"][1]  # the fallback box has the range of all slices
    assert np.isnan(ranges[3].labels).all()  # of the test study
    images = StudyImages(ranges, SIZE, IntensityConfig(), (1, 2), volume_remedy="")
    batch = next(load_batches(images, [(UNAUGMENTED, np.array([2, 0]))], workers=0, device=torch.device("cpu")))
    lengths = [len(ranges[row].slices) // 3 for row in (2, 0)]
    assert batch.lengths.tolist() == lengths
    assert batch.triplets.shape == (sum(lengths), SIZE, SIZE, 3)
    assert torch.equal(batch.triplets[: lengths[0]], images[UNAUGMENTED, 2].triplets)
    assert batch.labels.shape == (2, 8)
    vertebra = made_neck(0, int(studies["slices"][0])).vertebrae[ranges[0].slices]
    shown = images[UNAUGMENTED, 0].triplets.numpy().transpose(0, 3, 1, 2).reshape(-1, SIZE, SIZE)
    bright = shown.max(axis=(1, 2)) > 120  # tissue is at 85 at most; C1 is the darkest vertebra
    assert (bright == vertebra.any(axis=(1, 2))).mean() > 0.9


def test_a_draw_follows_from_seeds_epoch_and_study(tmp_path: Path) -> None:
    data, boxes = opened(tmp_path)
    ranges = neck_ranges(data, boxes, read_studies(data), 2)
    images = StudyImages(ranges, SIZE, IntensityConfig(), (1,), volume_remedy="")
    assert torch.equal(images[3, 1].triplets, images[3, 1].triplets)
    assert not torch.equal(images[3, 1].triplets, images[4, 1].triplets)
