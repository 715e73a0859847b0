"""The picture of a study: it is drawn for whole and for odd studies, and shows what it is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hounsfield.core.pages.colours import OKABE_ITO
from hounsfield.spine.figures import StudyView, _spread, draw_study
from spine.made_data import made_neck


@pytest.fixture(scope="module")
def view() -> StudyView:
    neck = made_neck(1, 40)
    counts = np.stack([(neck.vertebrae == label).sum(axis=(1, 2)) for label in range(1, 8)], axis=1)
    rows, columns = (np.flatnonzero((neck.vertebrae > 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    shown = np.flatnonzero((neck.vertebrae > 0).any(axis=(1, 2)))
    return StudyView(
        name="1.2.3",
        volume=neck.volume,
        spacing=(2.0, 1.5, 1.5),
        ratios=counts / counts.max(axis=0),
        box=(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1),
        slices=(int(shown[0]), int(shown[-1])),
        probabilities=np.array([0.9, 0.1, 0.8, 0.05, 0.2, 0.6, 0.3, 0.02]),
        labels=np.array([1, 0, 1, 0, 0, 0, 0, 0], float),
    )


def picture(tmp_path: Path, view: StudyView) -> np.ndarray:
    draw_study(tmp_path / "study.png", view)
    return cv2.imread(str(tmp_path / "study.png"))


@pytest.fixture(scope="module")
def drawn(view: StudyView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's picture. Nobody changes it."""
    path = tmp_path_factory.mktemp("drawn") / "study.png"
    draw_study(path, view)
    return path


def amount(image: np.ndarray, colour: str) -> int:
    """Pixels of a colour, #rrggbb."""
    rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return int((np.abs(image[:, :, ::-1].astype(int) - rgb).max(axis=2) < 12).sum())


def test_the_picture_holds_a_curve_and_a_bar_for_every_vertebra(drawn: Path) -> None:
    image = cv2.imread(str(drawn))
    assert min(image.shape[:2]) > 400
    assert all(amount(image, colour) > 100 for colour in OKABE_ITO)


def test_a_bar_grows_with_its_vertebra_s_probability(view: StudyView, drawn: Path, tmp_path: Path) -> None:
    low = cv2.imread(str(drawn))
    likely = view.probabilities.copy()
    likely[4] = 0.95
    high = picture(tmp_path, replace(view, probabilities=likely))
    assert amount(high, OKABE_ITO[3]) > amount(low, OKABE_ITO[3]) + 500


def test_a_label_is_seen_at_its_bar(view: StudyView, drawn: Path, tmp_path: Path) -> None:
    shown = amount(cv2.imread(str(drawn)), OKABE_ITO[1])
    assert shown < amount(picture(tmp_path, replace(view, labels=None)), OKABE_ITO[1])


def test_the_same_study_gives_the_same_bytes(view: StudyView, drawn: Path, tmp_path: Path) -> None:
    draw_study(tmp_path / "again.png", view)
    assert (tmp_path / "again.png").read_bytes() == drawn.read_bytes()


def test_studies_of_unknown_spacing_of_one_slice_and_without_curves_are_drawn_too(
    view: StudyView, tmp_path: Path
) -> None:
    nan = float("nan")
    odd = (
        replace(view, spacing=(nan, nan, nan)),
        replace(view, volume=view.volume[:1], ratios=view.ratios[:1], slices=(0, 0), spacing=(nan, 1.5, 1.5)),
        replace(view, ratios=np.full_like(view.ratios, nan), labels=np.full(8, nan)),
        replace(view, box=(0.0, 0.0, 40.0, 48.0), slices=(0, 39)),
    )
    for one in odd:
        assert picture(tmp_path, one).std() > 0


def test_a_study_of_one_slice_or_of_many_gives_a_picture_of_a_usual_size(view: StudyView, tmp_path: Path) -> None:
    one = replace(view, volume=view.volume[:1], ratios=view.ratios[:1], slices=(0, 0), spacing=(1.0, 0.5, 0.5))
    many = replace(view, spacing=(100.0, 0.5, 0.5))
    for odd in (replace(one, volume=np.zeros((1, 512, 512), np.int16)), many):
        height, width, _ = picture(tmp_path, odd).shape
        assert 0.8 < width / height < 4


def test_names_at_one_peak_are_spread_in_order_and_stay_within_the_slices() -> None:
    places = _spread(np.array([10, 10, 10, 20, 39, 39, 39]), 40)
    assert (np.diff(places) > 2).all()
    assert places.max() <= 39
    assert abs(places[3] - 20) < 6
