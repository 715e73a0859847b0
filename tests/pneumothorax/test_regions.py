from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from hounsfield.pneumothorax.config import SubmissionConfig, Triplet
from hounsfield.pneumothorax.regions import keep_regions, resize_mask, submitted_mask
from reference.submitted_mask import area as contour_area
from reference.submitted_mask import borders, gated, resized, resized_mask, submitted

SIZE = 20
PIXELS = SIZE * SIZE


def maps(count):
    """Blobs with holes and specks, as uint8 maps (count, 20, 20)."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        smooth = cv2.GaussianBlur(rng.random((SIZE, SIZE)), (0, 0), float(rng.uniform(0.5, 1.5)))
        yield np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("leak", "rows"), [(None, SIZE), (0.15, SIZE), (0.6, 2 * SIZE)])
def test_the_submitted_mask_is_the_plain_references_for_every_published_option(count, leak, rows) -> None:
    contours = [(0, False), (0, True), (1, False), (4.5, True), (12, False)]
    gates = [(0.75, 30), (0.75, 0), (0.6, 90)]
    kept = 0
    for values, (least, use), (top, area) in zip(maps(45), itertools.cycle(contours), itertools.cycle(gates)):
        gate = gated((values / 255).tolist(), count, top=top, area=area, bottom=0.4, leak=leak)
        areas = sorted(map(contour_area, borders(gate)), reverse=True)
        if use and areas[count - 1 : count] == areas[count : count + 1] != []:
            continue  # which of two equally large contours is the larger one is not said
        config = SubmissionConfig(
            leak=leak, regions="contours" if least or use else "all", least_region=least / PIXELS, most_regions=use
        )
        rule = Triplet(top=top, area=area / PIXELS, bottom=0.4)
        found = submitted_mask(values, rule, config, (rows, rows), count)
        plain = submitted(
            (values / 255).tolist(), count, (rows, rows), top=top, area=area, bottom=0.4, leak=leak,
            least_contour=least, use_contours=use,
        )  # fmt: skip
        assert found.dtype == bool
        assert found.astype(int).tolist() == plain
        kept += found.any()
    assert kept >= 15


def ring(hole):
    """A square with a square hole, and far from it a speck of two pixels."""
    mask = np.zeros((60, 60), bool)
    mask[5:55, 5:50] = True
    mask[10 : 10 + hole, 10 : 10 + hole] = False
    mask[30, 55:57] = True
    return mask


@pytest.mark.parametrize(("holes", "filled"), [("keep", False), ("fill", True)])
def test_components_are_counted_in_pixels_and_their_holes_are_kept_or_filled_as_stated(holes, filled) -> None:
    mask = ring(6)
    config = SubmissionConfig(regions="components", least_region=2 / mask.size, holes=holes)
    found = keep_regions(mask, config)
    assert not found[30, 55]
    assert found[12, 12] == filled
    assert found.sum() == 50 * 45 - (0 if filled else 36)
    with_speck = keep_regions(mask, SubmissionConfig(regions="components", least_region=1 / mask.size, holes=holes))
    assert with_speck[30, 55]


def test_a_line_is_a_component_of_its_length_and_a_contour_of_no_area() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3, 2:18] = True
    components = SubmissionConfig(regions="components", least_region=10 / mask.size)
    assert keep_regions(mask, components).sum() == 16
    contours = SubmissionConfig(regions="contours", least_region=0.1 / mask.size)
    assert not keep_regions(mask, contours).any()


@pytest.mark.parametrize(("hole", "open_after"), [(40, True), (5, False)])
def test_as_published_a_large_hole_stays_open_and_a_small_one_is_filled(hole, open_after) -> None:
    config = SubmissionConfig(regions="contours", least_region=100 / 3600)
    found = keep_regions(ring(hole), config)
    assert found[12, 12] == (not open_after)
    assert not found[30, 55]


def test_only_as_many_components_are_kept_as_the_sample_has_rows() -> None:
    mask = np.zeros((20, 20), bool)
    for place, size in ((1, 5), (8, 3), (14, 2)):
        mask[place : place + size, 1 : 1 + size] = True
    config = SubmissionConfig(regions="components", most_regions=True)
    assert [int(keep_regions(mask, config, count).sum()) for count in (1, 2, 3, 4)] == [25, 34, 38, 38]


@pytest.mark.parametrize("size", [(40, 40), (80, 40), (20, 20), (10, 20)])
def test_a_mask_is_brought_to_the_films_own_size_as_the_plain_reference_does(size) -> None:
    for values in maps(4):
        mask = values > 128
        assert resize_mask(mask, size).astype(int).tolist() == resized_mask(mask.tolist(), *size)


def test_a_pixel_is_kept_from_128_of_255_on() -> None:
    """Between both centres grey levels rise by 0.85: the middle one is 127.5, so 128, and the one before it 127."""
    found = resize_mask(np.array([[False, True]]), (1, 601))
    assert found[0].tolist() == [False] * 300 + [True] * 301


def test_at_odd_sizes_only_pixels_of_half_a_grey_level_may_fall_otherwise() -> None:
    for values in maps(4):
        mask = values > 128
        grey = np.array(resized((mask * 255.0).tolist(), 53, 31))
        clear = abs(grey - 127.5) > 1
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(resize_mask(mask, (53, 31))[clear], grey[clear] > 127.5)
