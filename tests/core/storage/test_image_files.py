from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.imaging.boxes import Box, bounding_box, crop_to_square, resize
from hounsfield.core.storage.image_files import encode_jpeg, encode_png, image_path, read_grey, read_image, store_image


@given(st.integers(0, 19), st.integers(1, 20), st.integers(0, 29), st.integers(1, 30))
def test_the_box_is_the_smallest_that_holds_every_shown_pixel(y0: int, height: int, x0: int, width: int) -> None:
    shown = np.zeros((20, 30), bool)
    shown[y0 : y0 + height, x0 : x0 + width] = True
    assert bounding_box(shown) == Box(x0, y0, min(x0 + width, 30), min(y0 + height, 20))


def test_an_all_black_image_is_left_as_it_is() -> None:
    assert bounding_box(np.zeros((20, 30), bool)) == Box(0, 0, 30, 20)


def test_the_crop_stands_at_the_top_left_of_a_black_square_of_its_longer_side() -> None:
    image = np.full((20, 30, 3), 7, np.uint8)
    square = crop_to_square(image, Box(5, 2, 15, 18))
    assert square.shape == (16, 16, 3)
    assert (square[:, :10] == 7).all()
    assert (square[:, 10:] == 0).all()


def test_channels_come_back_from_the_jpeg_in_the_order_they_went_in(tmp_path: Path) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0], image[..., 2] = 200, 50
    path = image_path(tmp_path, "ID_0123456789")
    path.parent.mkdir()
    path.write_bytes(encode_jpeg(image, 95))
    assert np.abs(read_image(path).astype(int) - image).max() <= 3


def test_images_are_spread_over_many_folders(tmp_path: Path) -> None:
    folders = {image_path(tmp_path, f"ID_{n:09x}").parent for n in range(4000)}
    assert len(folders) == 256


def test_a_missing_and_a_damaged_image_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"absent\.jpg .*sh prepare\.sh"):
        read_image(tmp_path / "absent.jpg", remedy="sh prepare.sh")
    for content in (b"", b"no jpeg"):
        (tmp_path / "bad.jpg").write_bytes(content)
        with pytest.raises(BadInput, match=r"bad\.jpg .*sh prepare\.sh"):
            read_image(tmp_path / "bad.jpg", remedy="sh prepare.sh")


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    assert resize(image, 32) is image
    assert resize(image, 16).shape == (16, 16, 3)


def test_a_grey_image_comes_back_from_its_png_pixel_by_pixel_and_other_bytes_are_refused(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (17, 23), np.uint8)
    path = image_path(tmp_path, "a", ".png")
    checksum = store_image(path, encode_png(grey))
    assert np.array_equal(read_grey(path, checksum), grey)
    store_image(path, encode_png(255 - grey))
    with pytest.raises(BadInput, match=str(path)):
        read_grey(path, checksum)
