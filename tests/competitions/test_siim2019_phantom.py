"""The drawn chest films: the same bytes from the same recipe, air only within a lung, and the competition's shape."""

from __future__ import annotations

import csv
import io
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hounsfield.competitions.siim2019.film_phantom.archive import render_patient, write_archive
from hounsfield.competitions.siim2019.film_phantom.films import DrawnFilm, draw_film
from hounsfield.competitions.siim2019.film_phantom.plans import PatientPlan, plan_patient
from hounsfield.competitions.siim2019.film_phantom.recipe import PhantomRecipe
from hounsfield.competitions.siim2019.rle import decode
from hounsfield.competitions.siim2019.source import competition_source
from hounsfield.core.dicom.films import read_film
from hounsfield.core.errors import WrongUse

SIZE = 96
RECIPE = PhantomRecipe(train_patients=5, test_patients=2, size=SIZE, seed=3)


@cache
def plans() -> list[PatientPlan]:
    return [plan_patient(3, patient, SIZE) for patient in range(60)]


@cache
def drawn(patient: int) -> DrawnFilm:
    return draw_film(plans()[patient], plans()[patient].films[0])


def positives() -> list[int]:
    return [plan.patient for plan in plans() if plan.films[0].air is not None][:4]


def test_plans_cover_what_films_show() -> None:
    films = [film for plan in plans() for film in plan.films]
    assert {film.air.kind for film in films if film.air is not None} == {"apical", "lateral", "basal", "collapse"}
    assert {film.bits for film in films} == {8, 12}
    assert {film.inverted for film in films} == {film.erect for film in films} == {True, False}
    assert {"skin fold", "chest tube", "leads", "central line"} <= {name for film in films for name in film.overlays}
    assert {len(plan.films) for plan in plans()} >= {1, 2}
    assert 0.25 < np.mean([film.air is not None for film in films]) < 0.55


def test_a_pneumothorax_is_darker_than_its_surroundings_and_on_its_side() -> None:
    for patient in positives():
        film, air = drawn(patient), plans()[patient].films[0].air
        columns = np.flatnonzero(film.mask.any(axis=0))
        assert film.mask.sum() > 0
        assert (columns.mean() > SIZE / 2) == (air.side == "left")  # the patient's left is the image's right
        assert film.grey[film.mask].mean() < film.grey.mean()


def test_a_film_is_the_same_bytes_each_time_it_is_drawn() -> None:
    recipe = PhantomRecipe(size=SIZE, seed=3)
    assert render_patient(recipe, 1) == render_patient(recipe, 1)
    assert render_patient(recipe, 1) != render_patient(recipe, 2)


def test_a_film_without_air_has_no_mask_and_dark_lungs_beside_a_bright_middle() -> None:
    patient = next(plan.patient for plan in plans() if plan.films[0].air is None)
    film = drawn(patient)
    middle, lungs = film.grey[50:60, 44:52].mean(), film.grey[35:50][:, [28, 68]].mean()
    assert not film.mask.any()
    assert lungs + 0.2 < middle


def test_the_stored_film_reads_back_as_the_drawn_one_however_it_is_stored() -> None:
    seen = set()
    for plan in plans()[:4]:
        film = plan.films[0]
        first = render_patient(PhantomRecipe(size=SIZE, seed=3), plan.patient)[0]
        read = read_film(first.data)
        seen.add((film.bits, film.inverted))
        grey = draw_film(plan, film).grey
        assert np.corrcoef(read.grey.ravel(), grey.ravel())[0, 1] > 0.999
        assert read.photometric == ("MONOCHROME1" if film.inverted else "MONOCHROME2")
    assert len(seen) >= 2


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes_and_is_drawn_once(tmp_path: Path) -> None:
    first = write_archive(tmp_path / "a.zip", RECIPE, jobs=1)
    write_archive(tmp_path / "b.zip", RECIPE, jobs=1)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert not write_archive(tmp_path / "a.zip", RECIPE, jobs=1).written
    source = competition_source([tmp_path / "a.zip"])
    assert source.drawn
    assert len(source.files) == first.train_films + first.test_films
    assert {row.text for one in source.annotations.values() for row in one.rows if len(one.rows) > 1}
    masks = [decode(row.text, (SIZE, SIZE)).any() for one in source.annotations.values() for row in one.rows[:1]]
    assert sum(masks) == first.positive_films


@pytest.mark.slow
def test_the_second_stage_has_its_own_folders_tables_and_names(tmp_path: Path) -> None:
    recipe = PhantomRecipe(train_patients=8, test_patients=1, size=64, stage=2)
    write_archive(tmp_path / "a.zip", recipe, jobs=1)
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        names = packed.namelist()
        (sample,) = (name for name in names if name.endswith("stage_2_sample_submission.csv"))
        films = [row["ImageId"] for row in csv.DictReader(io.StringIO(packed.read(sample).decode()))]
    tables = {"stage_2_train.csv", "stage_2_sample_submission.csv"}
    folders = {"dicom-images-train", "dicom-images-test", "stage_2_images"}
    assert {name.split("/")[1] for name in names} == folders | tables
    assert all(film.startswith("ID_") and len(film) == 12 for film in films)
    assert competition_source([tmp_path / "a.zip"]).may_be_test.sum() == len(films) + sum(
        "images-test" in n for n in names
    )


@pytest.mark.parametrize(
    "values", [{"size": 10}, {"train_patients": 0}, {"stage": 3}, {"seed": -1}, {"compression": "x"}]
)
def test_a_recipe_that_cannot_be_drawn_is_wrong_use(values: dict[str, object]) -> None:
    with pytest.raises(WrongUse):
        PhantomRecipe(**values)
