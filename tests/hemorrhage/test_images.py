"""The crop boxes that a classifier sees: those of preparation, or those of the image as it comes back from JPEG."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.storage.image_files import encode_jpeg, image_path, store_image
from hounsfield.hemorrhage.config import ClassifierConfig
from hounsfield.hemorrhage.images import open_slice_images

SIDE = 128


def published_crop(image: np.ndarray) -> np.ndarray:
    """The published crop, written plainly. image: (rows, columns, 3) uint8.

    "Maximum over the channels; bounding rows and columns with any value above 0; the crop is placed at the top-left
    corner of a black square whose side is the longer side. An all-black image is left as it is."
    """
    brightest = image.max(axis=2)
    if brightest.max() == 0:
        return image
    rows = [row for row in range(brightest.shape[0]) if brightest[row].max() > 0]
    columns = [column for column in range(brightest.shape[1]) if brightest[:, column].max() > 0]
    cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    square = np.zeros((max(cut.shape[:2]), max(cut.shape[:2]), 3), np.uint8)
    square[: cut.shape[0], : cut.shape[1]] = cut
    return square


def head(y0: int, x0: int, height: int, width: int) -> np.ndarray:
    """A grey ellipse with a bright rim, as a skull is, on black."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    centre, axes = (x0 + width // 2, y0 + height // 2), (width // 2, height // 2)
    cv2.ellipse(image, centre, axes, 0, 0, 360, (90, 60, 120), cv2.FILLED)
    cv2.ellipse(image, centre, axes, 0, 0, 360, (255, 255, 255), 3)
    return image


def seen(folder: Path, image: np.ndarray, box: tuple[int, int, int, int], config: ClassifierConfig) -> np.ndarray:
    """What the classifier sees of `image`, (S, S, 3) uint8, when the table of slices gives it that box."""
    checksum = store_image(image_path(folder, "ID_a"), encode_jpeg(image, 95))
    table = pd.DataFrame({"image_id": ["ID_a"], "image_crc32": checksum, **dict.fromkeys(CLASSES, 0)})
    table[["x0", "y0", "x1", "y1"]] = box
    return open_slice_images(table, folder, config, seed=0)[-1, 0][0].numpy()


def decoded(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image)[1], cv2.IMREAD_COLOR)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(20, 80), st.integers(20, 80))
def test_boxes_of_the_decoded_jpeg_give_the_published_crop(
    tmp_path_factory, y0: int, x0: int, height: int, width: int
) -> None:
    image = head(y0, x0, height, width)
    config = ClassifierConfig(crop_boxes="jpeg", size=96)
    expected = cv2.resize(published_crop(decoded(image)), (96, 96), interpolation=cv2.INTER_LINEAR)
    found = seen(tmp_path_factory.mktemp("images"), image, (3, 3, 9, 9), config)  # the table's box is not looked at
    assert np.array_equal(found, expected)


def test_ringing_makes_the_boxes_of_the_decoded_jpeg_larger_and_the_default_is_that_of_preparation(
    tmp_path: Path,
) -> None:
    image = head(20, 30, 81, 61)
    rows, columns = np.nonzero(image.any(axis=2))
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    before = decoded(image)[box[1] : box[3], box[0] : box[2]]
    side = published_crop(decoded(image)).shape[0]
    assert side > max(before.shape[:2])
    found = seen(tmp_path, image, box, ClassifierConfig(size=max(before.shape[:2])))
    assert np.array_equal(found[: before.shape[0], : before.shape[1]], before)
    assert np.array_equal(
        seen(tmp_path, image, box, ClassifierConfig(size=side, crop_boxes="jpeg")), published_crop(decoded(image))
    )


def test_an_all_black_image_is_left_as_it_is(tmp_path: Path) -> None:
    config = ClassifierConfig(crop_boxes="jpeg", size=SIDE)
    assert not seen(tmp_path, np.zeros((SIDE, SIDE, 3), np.uint8), (0, 0, SIDE, SIDE), config).any()


def test_without_crop_no_box_is_looked_for(tmp_path: Path) -> None:
    image = head(20, 30, 80, 60)
    config = ClassifierConfig(crop=False, crop_boxes="jpeg", size=SIDE)
    assert np.array_equal(seen(tmp_path, image, (0, 0, SIDE, SIDE), config), decoded(image))
