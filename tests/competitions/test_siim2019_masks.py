"""The table of run lengths in every spelling, mask images, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from chest_films import corner
from hounsfield.competitions.siim2019.film_table import check_masks
from hounsfield.competitions.siim2019.labels import dice_from_counts
from hounsfield.competitions.siim2019.masks import (
    Annotation,
    Mask,
    MaskTask,
    draw_masks,
    other_height,
    read_mask_image,
    resize_mask,
)
from hounsfield.competitions.siim2019.rle import decode, encode
from hounsfield.competitions.siim2019.rle_table import Fault, RleRow, read_rle_table, refuse_unknown
from hounsfield.core.errors import BadInput, Refused

SPELLINGS = {
    "first stage": b"ImageId, EncodedPixels\na, -1\nb, 1 2\nb, 5 1\n",
    "second stage": b"ImageId,EncodedPixels\na,-1\nb,1 2\nb,5 1\n",
    "windows": b"\xef\xbb\xbfImageId, EncodedPixels\r\na, -1\r\nb, 1 2\r\nb,5 1\r\n",
    "quoted, blank lines": b'"ImageId"," EncodedPixels"\n"a"," -1"\n"b","1 2"\n"b","5 1"\n\n',
    "semicolons": b"ImageId;EncodedPixels\na;-1\nb;1 2\nb;5 1\n",
    "tabs": b"\xef\xbb\xbfImageId\tEncodedPixels\na\t-1\nb\t1 2\nb\t5 1\n",
    "Excel's Unicode text": "ImageId\tEncodedPixels\r\na\t-1\r\nb\t1 2\r\nb\t5 1\r\n".encode("utf-16"),
    "with the files' suffix": b"ImageId,EncodedPixels\na.dcm,-1\nb.dcm,1 2 \nb.dcm,5 1\n",
}


@pytest.mark.parametrize("content", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_of_the_table_gives_the_same_rows(content: bytes) -> None:
    rows = read_rle_table(content, "t.csv")
    assert [tuple(row) for row in rows] == [(2, "a", "-1"), (3, "b", "1 2"), (4, "b", "5 1")]


def test_a_table_of_negatives_alone_is_read_as_text() -> None:
    assert [row.text for row in read_rle_table(b"ImageId, EncodedPixels\na,-1\nb,-1", "t.csv")] == ["-1", "-1"]


@pytest.mark.parametrize(
    "content",
    [b"", b"ImageId,EncodedPixels\n", b"id,mask\na,1 2\n", b"ImageId,EncodedPixels\na,1 2,3,4\n", b"PK\x03\x04 packed"],
)
def test_what_is_no_table_of_run_lengths_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"t\.csv"):
        read_rle_table(content, "t.csv")


def test_unusable_rows_are_counted_and_the_first_named_with_their_place_in_one_line() -> None:
    bad = "".join(f"f{n},1 2 3\n" for n in range(12))
    with pytest.raises(BadInput) as error:
        read_rle_table(f"ImageId,EncodedPixels\nok,1 2\n{bad}over,1 2 -2 3\n".encode(), "t.csv")
    message = str(error.value)
    assert "13 masks" in message
    assert "row 3 (f0)" in message
    assert "row 5 (f2)" in message
    assert "row 6" not in message
    assert "\n" not in message


@pytest.mark.parametrize("empty", ["-1", ""])
def test_a_film_with_runs_in_one_row_and_none_in_another_is_refused(empty: str) -> None:
    with pytest.raises(BadInput, match=r"t\.csv: 1 mask(.|\n)*row 4 \(b\) has runs here, and -1 in another row"):
        read_rle_table(f"ImageId,EncodedPixels\na,1 2\nb,{empty}\nb,5 1\n".encode(), "t.csv")


def test_rows_of_unknown_films_are_listed() -> None:
    rows = read_rle_table(b"ImageId,EncodedPixels\na,-1\nz,1 2\n", "t.csv")
    with pytest.raises(BadInput, match=r"row 3 \(z\)"):
        refuse_unknown("t.csv", rows, ["a"])


@pytest.mark.parametrize("size", [512, 1024])
@pytest.mark.parametrize("made_for", [512, 1024])
def test_run_lengths_made_for_films_of_another_size_are_recognised(made_for: int, size: int) -> None:
    mask = np.zeros((made_for, made_for), np.uint8)
    cv2.ellipse(mask, (made_for // 5, made_for // 3), (made_for // 12, made_for // 5), 10, 0, 360, 1, -1)
    try:
        found = other_height(decode(encode(mask > 0), (size, size)))
    except Refused as refused:
        assert (refused.code, made_for > size) == ("rle_outside", True)
    else:
        assert found == (0 if made_for == size else made_for)


@pytest.mark.parametrize(
    "mask", [np.ones((1024, 1024), bool), np.eye(1024, dtype=bool), corner()], ids=["all", "line", "small"]
)
def test_masks_of_the_films_own_size_raise_no_doubt(mask: np.ndarray) -> None:
    assert other_height(mask) == 0


def test_masks_are_refused_where_most_are_made_for_another_size_and_flagged_where_few_are() -> None:
    right, wrong = Mask("a", 5, 1, 0), Mask("b", 5, 1, 512)
    check_masks([right, right, wrong], "t.csv")
    with pytest.raises(BadInput, match="512 rows"):
        check_masks([right, wrong, wrong], "t.csv")


def test_a_mask_that_cannot_be_used_is_named() -> None:
    with pytest.raises(BadInput, match=r"row 7 \(a\) ends"):
        check_masks([Mask("a", fault=Fault("row 7", "a", "ends too late"))], "t.csv")


@pytest.mark.usefixtures("one_pool")
@pytest.mark.parametrize(("text", "fault"), [("0 1024", True), ("100 600", True), ("100 500", False)])
def test_a_mask_of_most_of_its_film_is_refused_as_black_and_white_exchanged(
    tmp_path: Path, text: str, fault: bool
) -> None:
    task = MaskTask("a", (32, 32), Annotation((RleRow(2, "a", text),)))
    (mask,) = draw_masks([task], tmp_path, 32, jobs=1, dask_scheduler=None)
    assert (mask.fault is not None) == fault
    assert not fault or "are black and white exchanged?" in mask.fault.fact


def test_a_resized_mask_is_binary_and_a_sliver_stays() -> None:
    sliver = np.zeros((96, 96), bool)
    sliver[10:60, 5] = True
    resized = resize_mask(sliver, 24)
    assert set(np.unique(resized)) == {0, 1}
    assert resize_mask(corner(16, 16, at=(8, 8)), 24).sum() == 64


def test_mask_images_are_read_as_black_and_white() -> None:
    mask = corner()
    for values in (255, 1):
        content = cv2.imencode(".png", mask.astype(np.uint8) * values)[1].tobytes()
        assert np.array_equal(read_mask_image(content, mask.shape), mask)
    soft = cv2.imencode(".jpg", mask.astype(np.uint8) * 255, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    assert np.array_equal(read_mask_image(soft, mask.shape), mask)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no image", "mask_unreadable"),
        (cv2.imencode(".png", np.zeros((20, 30), np.uint8))[1].tobytes(), "mask_size"),
        (cv2.imencode(".png", np.full((48, 48), 128, np.uint8))[1].tobytes(), "mask_grey"),
    ],
    ids=["text", "size", "grey"],
)
def test_mask_images_that_are_no_masks_are_refused(content: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_mask_image(content, (48, 48))
    assert refused.value.code == code


def test_dice_is_one_for_two_empty_masks_and_nought_for_a_false_alarm() -> None:
    both, predicted, true = np.array([[0, 0, 4, 2, 3], [0, 4, 4, 2, 4], [0, 0, 4, 4, 6]])
    assert dice_from_counts(both, predicted, true).tolist() == pytest.approx([1, 0, 1, 4 / 6, 0.6])
