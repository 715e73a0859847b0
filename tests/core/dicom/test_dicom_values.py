"""Hounsfield units from stored values: the intercept repair, padding, inversion."""

from __future__ import annotations

import numpy as np
import pytest

import dicom_files as files
from dicom_files import UNSIGNED, hounsfield_units, refusal
from hounsfield.core.dicom.reader import read_slice


def wrapped(hu: np.ndarray) -> np.ndarray:
    """Hounsfield units as the series with the wrong intercept store them: modulo 4096, unsigned."""
    return (hu.astype(int) % 4096).astype(np.uint16)


def test_a_wrong_intercept_with_wrapped_values_is_repaired() -> None:
    data = files.ct_file(wrapped(files.head_hu()), BitsStored=12, HighBit=11, RescaleIntercept=0)
    slice_ = read_slice(data)
    assert np.array_equal(hounsfield_units(slice_), files.head_hu())
    assert slice_.intercept_repaired
    assert slice_.flags == ("intercept_repaired",)


@pytest.mark.parametrize("intercept", [0, None])
def test_an_offset_that_was_lost_is_flagged_and_not_repaired(intercept: int | None) -> None:
    """Hounsfield units + 1024 in 12 bits: nothing has wrapped, so adding 1000 would make air read as 24 HU for good."""
    data = files.ct_file(UNSIGNED, BitsStored=12, HighBit=11, RescaleIntercept=intercept)
    slice_ = read_slice(data)
    assert np.array_equal(slice_.stored, UNSIGNED)
    assert slice_.flags == (("no_air",) if intercept == 0 else ("rescale_missing", "no_air"))


@pytest.mark.parametrize("declared", [True, False])
def test_padding_is_not_taken_for_the_air_that_a_lost_offset_hides(declared: bool) -> None:
    pixels = files.PIXELS.copy()
    pixels[:4, :4] = -2000
    declaration = {"PixelPaddingValue": -2000} if declared else {}
    assert read_slice(files.ct_file(pixels, RescaleIntercept=0, **declaration)).flags == ("no_air",)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
def test_metal_beside_an_offset_that_was_lost_is_not_taken_for_wrapped_air(share: float) -> None:
    pixels = UNSIGNED.copy()
    pixels.flat[1000 : 1000 + round(share * pixels.size)] = 3400  # 2376 HU, which would read as -696
    slice_ = read_slice(files.ct_file(pixels, BitsStored=12, HighBit=11, RescaleIntercept=0))
    assert not slice_.intercept_repaired


@pytest.mark.parametrize("margin", [2, 6, 10])
def test_a_wrapped_slice_with_little_air_around_the_head_is_repaired(margin: int) -> None:
    hu = files.head_hu(128)[64 - 54 - margin :, 64 - 54 - margin :][: 2 * (54 + margin), : 2 * (54 + margin)]
    assert 0.1 < (hu == -1000).mean() < 0.45
    slice_ = read_slice(files.ct_file(wrapped(hu), BitsStored=12, HighBit=11, RescaleIntercept=0))
    assert np.array_equal(hounsfield_units(slice_), hu)


def test_the_repair_can_be_switched_off() -> None:
    data = files.ct_file(wrapped(files.head_hu()), BitsStored=12, HighBit=11, RescaleIntercept=0)
    slice_ = read_slice(data, repair_intercept=False)
    assert np.array_equal(slice_.stored, wrapped(files.head_hu()))
    assert slice_.intercept == 0
    assert not slice_.intercept_repaired


@pytest.mark.parametrize(
    ("pixels", "elements"),
    [
        pytest.param(files.head_hu(), {"RescaleIntercept": 0}, id="signed, Hounsfield units stored directly"),
        pytest.param(UNSIGNED, {"BitsStored": 12, "HighBit": 11}, id="plain intercept"),
        pytest.param(UNSIGNED, {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -100}, id="at the limit"),
        pytest.param(UNSIGNED, {"RescaleIntercept": 0}, id="16 bits"),
        pytest.param(
            UNSIGNED, {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": 0, "Modality": "DX"}, id="an X-ray"
        ),
    ],
)
def test_a_right_intercept_is_left_alone(pixels: np.ndarray, elements: dict[str, object]) -> None:
    slice_ = read_slice(files.ct_file(pixels, **elements), modalities=frozenset({"CT", "DX"}))
    assert not slice_.intercept_repaired
    assert np.array_equal(slice_.stored, pixels)


@pytest.mark.parametrize("padding", [-1500, -2000, -3024])
@pytest.mark.parametrize("declared", [True, False])
def test_padding_around_the_field_of_view_reads_as_air(padding: int, declared: bool) -> None:
    pixels = files.head_hu()
    pixels[:4, :4] = padding
    declaration = {"PixelPaddingValue": padding} if declared else {}
    slice_ = read_slice(files.ct_file(pixels, RescaleIntercept=0, **declaration))
    hu = hounsfield_units(slice_)
    assert (hu[:4, :4] == -1024).all()
    assert np.array_equal(hu[4:], files.head_hu()[4:])
    assert slice_.flags == ()


def test_padding_that_reads_as_tissue_becomes_air_where_it_fills_the_corners() -> None:
    pixels = files.head_hu()
    pixels[pixels == -1000] = 0
    slice_ = read_slice(files.ct_file(pixels, RescaleIntercept=0, PixelPaddingValue=0))
    assert (slice_.stored == np.where(pixels == 0, -1024, pixels)).all()


def test_padding_that_reads_as_tissue_and_is_not_in_the_corners_is_left_and_flagged() -> None:
    slice_ = read_slice(files.ct_file(files.head_hu(), RescaleIntercept=0, PixelPaddingValue=35))
    assert np.array_equal(slice_.stored, files.head_hu())
    assert slice_.flags == ("padding_ambiguous",)


def test_a_padding_range_is_air_from_end_to_end() -> None:
    pixels = np.full((8, 8), 60, dtype=np.int16)
    pixels[0, :4] = [4000, 4001, 4005, 4006]
    data = files.ct_file(pixels, RescaleIntercept=0, PixelPaddingValue=4005, PixelPaddingRangeLimit=4000)
    assert list(read_slice(data).stored[0, :4]) == [-1024, -1024, -1024, 4006]


def test_padding_of_an_x_ray_becomes_its_darkest_value() -> None:
    pixels = np.arange(100, 164, dtype=np.uint16).reshape(8, 8)
    pixels[0, 0] = 60000
    data = files.ct_file(pixels, Modality="DX", PixelPaddingValue=60000)
    assert read_slice(data, modalities=frozenset({"DX"})).stored[0, 0] == 101


def test_a_monochrome1_x_ray_is_inverted_once_and_its_window_with_it() -> None:
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    data = files.ct_file(
        pixels, Modality="CR", PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11,
        RescaleIntercept=100, RescaleSlope=2, WindowCenter=300,
    )  # fmt: skip
    slice_ = read_slice(data, modalities=frozenset({"CR"}))
    assert np.array_equal(slice_.stored, 4095 - pixels)
    assert slice_.flags == ("monochrome1_inverted",)
    # Stored value 100 was the window's centre, so its inverse is now.
    assert slice_.window_center == (4095 - 100) * 2 + 100


def test_an_inverted_display_leaves_the_hounsfield_units_of_a_ct_alone() -> None:
    slice_ = read_slice(files.ct_file(PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(hounsfield_units(slice_), files.head_hu())
    assert slice_.flags == ("monochrome1_ct",)


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.0, ()), (0.005, ("implausible_hu",)), (0.02, None), (0.32, None), (0.74, None)]
)
def test_values_that_no_ct_has_are_flagged_where_few_and_refused_with_their_share(
    share: float, outcome: tuple[str, ...] | None
) -> None:
    pixels = files.head_hu().astype(np.int16)
    few = np.random.default_rng(0).choice(pixels.size, round(share * pixels.size), replace=False)
    pixels.flat[few] = -5000 - few % 1000
    data = files.ct_file(pixels, RescaleIntercept=0)
    if outcome is not None:
        assert read_slice(data).flags == outcome
    else:
        refused = refusal(data)
        assert refused.code == "implausible_pixels"
        assert f"{len(few) / pixels.size:.1%} of its pixels" in refused.message


def test_unsigned_nonsense_above_the_scale_is_refused() -> None:
    """Signed values read as unsigned: 64536 instead of -1000."""
    pixels = files.head_hu().view(np.uint16)
    refused = refusal(files.ct_file(pixels, RescaleIntercept=0))
    assert (refused.code, f"{(files.head_hu() < 0).mean():.1%}" in refused.message) == ("implausible_pixels", True)


@pytest.mark.parametrize("padding", [-5000, -10000, -32768])
def test_one_low_value_around_the_field_of_view_is_padding_and_no_nonsense(padding: int) -> None:
    pixels = files.head_hu()
    y, x = np.mgrid[:64, :64] - 31.5
    pixels[np.hypot(x, y) > 32] = padding
    slice_ = read_slice(files.ct_file(pixels, RescaleIntercept=0))
    assert slice_.flags == ()
    assert slice_.stored.min() == -1024


@pytest.mark.parametrize(
    "hu",
    [
        pytest.param(files.head_hu() + 3000, id="all dense"),
        pytest.param(np.where(files.head_hu() > 0, 1000, -1000), id="air and bone with nothing between"),
        pytest.param(np.full((64, 64), 900), id="one value of bone"),
        pytest.param(files.head_hu() - 3000, id="all below air"),
    ],
)
def test_a_picture_without_any_tissue_is_refused(hu: np.ndarray) -> None:
    refused = refusal(files.ct_file(hu.astype(np.int16), RescaleIntercept=0))
    assert refused.code == "implausible_pixels"
    assert "%" in refused.message


@pytest.mark.parametrize(
    ("hu", "flags"),
    [
        pytest.param(-1000 + np.arange(64 * 64).reshape(64, 64) % 50, ("no_tissue",), id="air above the head"),
        pytest.param(np.full((64, 64), -1024), ("constant",), id="an empty slice"),
        pytest.param(np.full((64, 64), 40), ("constant",), id="one value of tissue"),
        pytest.param(files.head_hu().clip(min=-400), ("no_air",), id="no pixel below -500"),
        pytest.param(files.head_hu().clip(min=-501), (), id="just below -500"),
    ],
)
def test_a_picture_of_air_or_without_air_is_used_and_flagged(hu: np.ndarray, flags: tuple[str, ...]) -> None:
    assert read_slice(files.ct_file(hu.astype(np.int16), RescaleIntercept=0)).flags == flags
