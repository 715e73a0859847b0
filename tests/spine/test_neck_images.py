"""Hounsfield units become grey levels after cropping and resizing, and not before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hounsfield.core.imaging.boxes import Box
from hounsfield.spine.config import IntensityConfig
from hounsfield.spine.images import MEAN, STD, grey_slices, network_input, triplets, write_grey

FIXED, BY_SLICE = IntensityConfig(), IntensityConfig(scaling="slice")


def volume() -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 2000, (5, 30, 40)).astype(np.int16)


@pytest.mark.parametrize(("bicubic", "mode"), [(False, "bilinear"), (True, "bicubic")])
@pytest.mark.parametrize("size", [17, 48])
def test_slices_are_cut_out_resized_in_hounsfield_units_and_then_windowed(bicubic: bool, mode: str, size: int) -> None:
    box, chosen = Box(5, 3, 32, 30), np.array([4, 0, 2])
    found = grey_slices(volume(), chosen, box, size, FIXED, bicubic=bicubic)
    cut = torch.from_numpy(volume()[chosen, 3:30, 5:32].astype(np.float32)).unsqueeze(1)
    hu = F.interpolate(cut, (size, size), mode=mode, align_corners=False)[:, 0].clamp(-500, 1300)
    expected = ((hu + 500) / 1800 * 255).numpy()
    assert found.dtype == np.uint8
    assert np.abs(found - np.floor(expected)).max() <= 1  # a value at a whole number falls to either side
    assert (found == np.floor(expected)).mean() > 0.995


def test_the_window_cuts_what_bicubic_interpolation_overshoots() -> None:
    edge = np.full((1, 8, 8), -500, np.int16)
    edge[:, :, 4:] = 1300
    grey = grey_slices(edge, np.array([0]), None, 64, FIXED, bicubic=True)
    assert (grey.min(), grey.max()) == (0, 255)


def to_grey(hu: np.ndarray, intensity: IntensityConfig) -> np.ndarray:
    grey = np.empty(hu.shape, np.uint8)
    write_grey(hu.copy(), intensity, grey)
    return grey


def test_grey_levels_do_not_depend_on_the_slice_unless_they_are_to() -> None:
    dark, bright = np.array([[0.0, 100.0]], np.float32), np.array([[0.0, 1300.0]], np.float32)
    assert to_grey(dark, FIXED)[0, 0] == to_grey(bright, FIXED)[0, 0] == int(500 / 1800 * 255)
    assert to_grey(dark, BY_SLICE).tolist() == to_grey(bright, BY_SLICE).tolist() == [[0, 255]]


@pytest.mark.parametrize("hu", [-1024.0, 40.0, 3000.0])
@pytest.mark.parametrize("intensity", [FIXED, BY_SLICE])
def test_a_slice_of_one_value_is_not_divided_by_zero(hu: float, intensity: IntensityConfig) -> None:
    """Published: 0 / 0 (defect 15)."""
    with np.errstate(all="raise"):
        grey = to_grey(np.full((4, 4), hu, np.float32), intensity)
    expected = 0 if intensity is BY_SLICE else int((min(max(hu, -500), 1300) + 500) / 1800 * 255)
    assert (grey == expected).all()


def test_triplets_are_consecutive_slices_in_order() -> None:
    grey = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    assert triplets(grey)[:, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_network_gets_normalised_channels() -> None:
    images = torch.randint(0, 256, (2, 5, 5, 3), dtype=torch.uint8)
    found = network_input(images)
    for channel in range(3):
        expected = (images[..., channel].double() / 255 - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(found[:, channel].double(), expected, atol=1e-6, rtol=0)
