"""Labels of films of one's own: run lengths, mask images, or 0 and 1, each by the names that people give films."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from chest_films import corner, write_films
from hounsfield.competitions.siim2019.own_labels import match_films, read_own_labels
from hounsfield.competitions.siim2019.rle import encode
from hounsfield.core.errors import MissingInput, WrongTable
from hounsfield.core.intake.archives import list_files


def test_run_lengths_mask_images_and_zeros_and_ones_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "rle.csv").write_text(f"ImageId, EncodedPixels\na, {encode(corner())}\nb, -1\n")
    (tmp_path / "labels.csv").write_text("image,collapsed\na.dcm,1\nb.dcm,0\nc.dcm,\n")
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), corner() * np.uint8(255))
    table, images, zeros = (read_own_labels(tmp_path / name) for name in ("rle.csv", "masks", "labels.csv"))
    assert (list(table.masks), table.shown) == (["a", "b"], {})
    assert (list(images.masks), images.shown) == (["a"], {})
    assert (zeros.masks, zeros.shown) == ({}, {"a.dcm": True, "b.dcm": False})  # a blank is unknown
    assert len({one.digest() for one in (table, images, zeros)}) == 3


@pytest.mark.parametrize(
    "table",
    ["image,left,right\na,1,0\n", "StudyInstanceUID,any\n1.2,1\n", "image,any\na,2\n", "ImageId,EncodedPixels\na,7\n"],
    ids=["two classes", "by study", "neither 0 nor 1", "no runs"],
)
def test_a_table_that_says_nothing_of_films_is_wrong_use_that_names_it(tmp_path: Path, table: str) -> None:
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(WrongTable, match=r"labels\.csv") as caught:
        read_own_labels(tmp_path / "labels.csv")
    assert caught.value.exit_code == 2
    with pytest.raises(MissingInput, match=r"none\.csv does not exist"):
        read_own_labels(tmp_path / "none.csv")


def test_names_are_paths_file_names_stems_or_identifiers_and_what_fits_none_or_two_is_told(tmp_path: Path) -> None:
    films = ("x/a.dcm", "x/b.dcm", "y/b.dcm", "y/c.dcm")
    files = list_files(write_films(tmp_path / "ward", dict.fromkeys(films, b"film")))
    found = match_films(["x/b.dcm", "a", "c.dcm", "b", "ID_a", "nobody"], files, np.array(["ID_a", "1", "2", "3"]))
    assert found.film_of == {"x/b.dcm": "1", "a": "ID_a", "c.dcm": "3"}
    assert found.doubtful == ["b", "ID_a"]  # two films, and the film that `a` names already
    assert found.lost == ["nobody"]
