from __future__ import annotations

import gzip

import numpy as np
import pytest

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS, read_labels
from hounsfield.core.errors import BadInput
from reference.log_loss import competition_log_loss


def long_table(*extra: str, images: tuple[str, ...] = ("ID_00000000a", "ID_00000000b"), end: str = "\n") -> bytes:
    rows = [f"{image}_{name},{int(name == 'any')}" for image in images for name in CLASSES]
    return end.join(["ID,Label", *rows, *extra, ""]).encode()


def test_six_rows_a_slice_become_one_row_in_the_order_of_the_classes() -> None:
    labels = read_labels(long_table(), "train.csv")
    assert list(labels.columns) == list(CLASSES)
    assert labels.loc["ID_00000000a"].tolist() == [0, 0, 0, 0, 0, 1]


def test_repeated_rows_count_once() -> None:
    assert len(read_labels(long_table("ID_00000000a_any,1"), "train.csv")) == 2


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    assert len(read_labels(b"\xef\xbb\xbf" + long_table(end="\r\n"), "train.csv")) == 2


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ("ID_00000000a_any,0", "1 .*contradicting.* ID_00000000a_any"),
        ("ID_00000000c_any,1", "1 .*six classes.* ID_00000000c"),
        ("ID_00000000a_stroke,1", "1 .*unknown.* ID_00000000a_stroke"),
        ("ID_00000000a_any,2", "1 .*0 or 1.* ID_00000000a_any"),
        ("ID_00000000a_any,", "1 .*0 or 1.* ID_00000000a_any"),
    ],
)
def test_labels_that_cannot_be_right_are_refused_by_name(row: str, fact: str) -> None:
    with pytest.raises(BadInput, match=rf"train\.csv: {fact}\."):
        read_labels(long_table(row), "train.csv")


def test_only_the_first_ten_of_many_bad_rows_are_listed() -> None:
    rows = [f"ID_{n:09x}_any,7" for n in range(30)]
    with pytest.raises(BadInput, match=r"train\.csv: 30 .*0 or 1") as caught:
        read_labels(long_table(*rows), "train.csv")
    assert str(caught.value).count("_any") == 10


def test_a_wide_table_of_ones_own_images_is_read() -> None:
    content = f"image,{','.join(CLASSES)}\na/1.dcm,0,0,0,0,1,1\na/2.dcm,0,0,0,0,0,0\n".encode()
    assert read_labels(content, "own.csv").loc["a/1.dcm", "subdural"] == 1


def test_a_table_of_another_kind_is_refused_naming_its_columns() -> None:
    with pytest.raises(BadInput, match=r"own\.csv: .*'name', 'age'"):
        read_labels(b"name,age\nx,1\n", "own.csv")


def test_one_label_that_is_no_number_is_named_and_not_its_innocent_neighbours() -> None:
    with pytest.raises(BadInput, match=r"train\.csv: 1 .*0 or 1.* ID_00000000c_any\."):
        read_labels(long_table("ID_00000000c_any,yes"), "train.csv")
    rows = "a,0,0,0,0,1,1\nb,0,0,0,0,x,1\n"
    with pytest.raises(BadInput, match=r"own\.csv: 1 .*0 or 1.* b\."):
        read_labels(f"image,{','.join(CLASSES)}\n{rows}".encode(), "own.csv")


def test_an_image_may_be_called_like_a_missing_value() -> None:
    assert list(read_labels(f"image,{','.join(CLASSES)}\nNA,0,0,0,0,1,1\n".encode(), "own.csv").index) == ["NA"]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "CSV.*No columns"),
        (b"ID,Label\n", "no rows"),
        (gzip.compress(long_table()), "CSV"),
        (long_table().decode().encode("utf-16"), "CSV"),
        (long_table("garbage at the end"), "1 .*0 or 1.* garbage at the end"),
        (long_table('"never closed'), "EOF inside string"),
        (long_table().replace(b",", b";"), "columns"),
        (long_table() + bytes(3), "1 .*0 or 1"),
    ],
)
def test_a_table_that_is_damaged_or_packed_is_refused_by_name(content: bytes, fact: str) -> None:
    with pytest.raises(BadInput, match=rf"train\.csv.*({fact})"):
        read_labels(content, "train.csv")


def test_rows_with_a_comma_too_many_are_refused() -> None:
    header, *rows = long_table().splitlines()
    with pytest.raises(BadInput, match=r"train\.csv .*cells"):
        read_labels(b"\n".join([header, *(row + b"," for row in rows)]), "train.csv")


def test_the_loss_is_the_competitions_which_counts_any_twice_and_knows_no_certainty() -> None:
    generator = np.random.default_rng(2)
    labels = (generator.random((30, 6)) < 0.3).astype(np.int8)
    probabilities = generator.choice([0, 0.2, 0.7, 1], (30, 6))
    expected = competition_log_loss(probabilities, labels, [1, 1, 1, 1, 1, 2], 1e-5)
    assert LABELS.loss(probabilities, labels).mean() == pytest.approx(expected)
