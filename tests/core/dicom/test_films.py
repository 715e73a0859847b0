"""Films as 8-bit grey: which rule was used, bone bright, and nothing of a CT's in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dicom_files as files
from chest_films import chest, film_file
from hounsfield.core.dicom.films import read_film
from hounsfield.core.errors import Refused

REAL = Path(__file__).resolve().parents[4] / "shared" / "dicom" / "odd"
LUNG, BODY = (20, 13), (44, 24)  # pixels of a chest


def test_eight_bits_are_used_as_stored_whatever_window_is_proposed() -> None:
    film = read_film(film_file(chest(), WindowCenter="40", WindowWidth="80"))
    assert film.window_used == "stored"
    assert np.array_equal(film.grey, chest())


def test_twelve_bits_are_shown_in_the_window_of_the_header() -> None:
    film = read_film(film_file(chest(top=4000), 12, WindowCenter="2000", WindowWidth="2000"))
    expected = np.clip((chest(top=4000) - 1000) / 2000, 0, 1) * 255
    assert film.window_used == "window"
    assert np.abs(film.grey - expected).max() <= 0.5


@pytest.mark.parametrize("window", [{}, {"WindowCenter": "90000", "WindowWidth": "10"}])
def test_without_a_window_that_shows_the_picture_its_range_is_shown(window: dict[str, str]) -> None:
    film = read_film(film_file(chest(top=4000), 12, **window))
    assert (film.window_used, film.grey.min(), film.grey.max()) == ("range", 0, 255)
    assert ("window_unusable" in film.flags) == bool(window)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (12, 4000), (15, 32000)])
def test_an_inverted_film_is_the_same_picture_with_its_window_and_its_digest(bits: int, top: int) -> None:
    window = {"WindowCenter": str(top // 2), "WindowWidth": str(top)}
    turned = {"WindowCenter": str(2**bits - 1 - top // 2), "WindowWidth": str(top)}
    plain = read_film(film_file(chest(top=top), bits, **window))
    inverted = film_file(2**bits - 1 - chest(top=top), bits, PhotometricInterpretation="MONOCHROME1", **turned)
    film = read_film(inverted)
    assert film.photometric == "MONOCHROME1"
    assert np.array_equal(film.grey, plain.grey)
    assert film.grey[LUNG] < film.grey[BODY]
    assert film.pixel_digest == plain.pixel_digest


def test_twelve_unsigned_bits_are_never_repaired_as_those_of_a_ct() -> None:
    pixels = chest(top=1500)
    film = read_film(film_file(pixels, 12, RescaleIntercept="0", RescaleSlope="1"))
    expected = (pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255
    assert np.abs(film.grey - expected).max() <= 0.5
    assert "intercept_repaired" not in film.flags


def test_only_known_view_positions_leave_the_header() -> None:
    assert read_film(film_file(chest(), ViewPosition="PA")).view_position == "PA"
    assert read_film(film_file(chest(), ViewPosition="MEIER ANNA")).view_position == ""


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (files.ct_file(), "modality"),
        (film_file(chest(), NumberOfFrames="3"), "multi_frame"),
        (film_file(chest(), SamplesPerPixel=3, PhotometricInterpretation="RGB"), "colour"),
        (film_file(chest())[:600], "pixel_data_short"),
        (film_file(chest(), Modality="MR"), "modality"),
        (b"", "empty_file"),
    ],
    ids=["ct", "frames", "colour", "cut", "mr", "empty"],
)
def test_what_is_no_film_is_refused_by_its_code(content: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_film(content)
    assert refused.value.code == code


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real files is not there")
@pytest.mark.parametrize(
    ("name", "used", "inverted"), [("covid-chest", "stored", False), ("pydicom-data__RG1_J2KI", "window", True)]
)
def test_real_films_have_dark_lungs_and_a_bright_middle(name: str, used: str, inverted: bool) -> None:
    film = read_film(next(REAL.glob(f"{name}*")).read_bytes())
    rows, columns = film.grey.shape
    middle = film.grey[int(0.45 * rows) : int(0.6 * rows), int(0.46 * columns) : int(0.54 * columns)].mean()
    lungs = film.grey[int(0.25 * rows) : int(0.4 * rows)][:, [int(0.3 * columns), int(0.7 * columns)]].mean()
    assert (film.window_used, film.photometric == "MONOCHROME1") == (used, inverted)
    assert lungs + 60 < middle
