from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.competitions.siim2019.submission import check, fill, sample_films, write
from hounsfield.core.errors import BadInput, MissingInput


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8-sig"))
    return path


def test_a_sample_is_read_in_every_spelling_of_its_header_with_its_order_and_its_repeats(tmp_path) -> None:
    for header in ("ImageId,EncodedPixels", "ImageId, EncodedPixels", "ImageId,EncodedPixels\r"):
        sample = written(tmp_path / "sample.csv", f"{header}\nb,-1\na, -1\nb,-1\n")
        assert sample_films(sample) == ["b", "a", "b"]


def test_each_row_of_the_sample_gets_its_films_mask_and_a_repeated_film_has_it_in_its_first_row(tmp_path) -> None:
    submission = fill(["b", "a", "b", "gone"], {"a": "-1", "b": "3 2", "other": "1 1"})
    assert submission.texts == ["3 2", "-1", "-1", "-1"]
    assert (submission.filled, submission.left_out) == (["gone"], ["other"])
    write(tmp_path / "submission.csv", submission)
    assert (tmp_path / "submission.csv").read_text() == "ImageId,EncodedPixels\nb,3 2\na,-1\nb,-1\ngone,-1\n"


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("ImageId,EncodedPixels\na,-1\n", "1 row instead of 2"),
        ("ImageId,EncodedPixels\nb,-1\na,-1\n", "row 2 is of b, and a is expected"),
        ("ImageId,EncodedPixels\na,-1\nb,\n", "1 row holds no run lengths"),
        ("ImageId,Pixels\na,-1\nb,-1\n", "must name ImageId, EncodedPixels"),
    ],
)
def test_a_written_submission_that_is_not_the_samples_is_refused(tmp_path, text, fact) -> None:
    path = tmp_path / "submission.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=fact):
        check(path, ["a", "b"])


def test_a_sample_that_is_none_or_of_another_data_set_is_refused(tmp_path) -> None:
    with pytest.raises(MissingInput, match=r"gone\.csv is missing"):
        sample_films(tmp_path / "gone.csv")
    with pytest.raises(BadInput, match="names no film"):
        sample_films(written(tmp_path / "empty.csv", "ImageId,EncodedPixels\n"))
    with pytest.raises(BadInput, match="none of the 2 films of the sample"):
        fill(["a", "b"], {"c": "-1"})
