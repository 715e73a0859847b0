"""A made-up data set of films as preparation leaves it, and maps that see most of what is there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.paths import (
    FILMS,
    PREPARE,
    data_folder,
    film_path,
    mask_path,
)
from hounsfield.competitions.siim2019.tables import FILM_SCHEMA, open_data_set, read_films
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.image_files import store_image
from hounsfield.core.storage.tables import write_table
from hounsfield.pneumothorax.maps import MAPS as ARRAY
from hounsfield.pneumothorax.maps import ROWS, every_film, films_to_map
from hounsfield.pneumothorax.paths import MAPS, maps_folder

SIZE, DATA_SET = 32, "made"


def true_mask(number: int) -> np.ndarray | None:
    """A disc in every third film, (32, 32) bool."""
    if number % 3:
        return None
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, (8 + number % 16, 10 + number % 7), 4 + number % 3, 1, -1)
    return mask > 0


def stored(path: Path, image: np.ndarray) -> int:
    return store_image(path, cv2.imencode(".png", image)[1].tobytes())


def made_films(
    work: Path,
    *,
    train: int = 24,
    test: int = 4,
    folds: int = 2,
    sample: bytes | None = None,
    data_set: str = DATA_SET,
) -> Path:
    """A data set of `train` films, as many patients, in `folds` folds, and of test films, all of 64 x 64 pixels."""
    rng, rows = np.random.default_rng(0), []
    folder = data_folder(work, data_set)
    settings = {"image_size": SIZE, "fold_count": folds}
    with output(folder, Provenance(PREPARE, settings, {}), force=True, remedy="") as out:
        for number in range(train + test):
            film, mask = f"film{number:03d}", true_mask(number)
            image = rng.integers(60, 120, (SIZE, SIZE)).astype(np.uint8)
            held = number < train
            row = dict.fromkeys(FILM_SCHEMA.names) | {"film_id": film, "split": "train" if held else "test"}
            row |= {"patient_id": f"p{number:03d}", "fold": number // 3 % folds if held else -1, "path": f"{film}.dcm"}
            row |= {"rows": 2 * SIZE, "columns": 2 * SIZE, "vendor": "" if number % 2 else "GE"}
            if mask is not None:
                image[mask] = 20
                if held:
                    row["mask_crc32"] = stored(mask_path(work, data_set, film), mask * np.uint8(255))
            if held:
                row["label"] = int(mask is not None)
            row["image_crc32"] = stored(film_path(work, data_set, film), image)
            rows.append(row)
        write_table(folder / FILMS, pd.DataFrame(rows), FILM_SCHEMA)
        if sample is not None:
            write_bytes(sample_submission_path(work, data_set), sample)
        out.finish([FILMS])
    return folder


def made_maps(
    work: Path,
    name: str,
    arrays: list[np.ndarray],
    folds: list[int],
    settings: dict,
    *,
    seen: Ledger | None = None,
    data_set: str = DATA_SET,
) -> Path:
    """What stage 63 leaves: a map per film of the data set, validation films fold by fold, then test films.

    Of another data set all films are test films.
    """
    data = open_data_set(work, data_set, lambda stage, *_: stage)
    films = read_films(data)
    rows = films_to_map(films, folds) if data_set == DATA_SET else every_film(films)
    places = rows.films["film_id"].str.removeprefix("film").astype(int)
    folder = maps_folder(work, data_set, name)
    provenance = Provenance(MAPS, settings, {"data set": data.as_input()})
    with output(folder, provenance, force=True, remedy="") as out:
        rows.write(folder / ROWS)
        write_array(folder / ARRAY, np.stack([arrays[place] for place in places]))
        out.finish([ARRAY, ROWS], learned=seen or Ledger.nobody())
    return folder


def seeing_map(number: int, size: int = SIZE) -> np.ndarray:
    """A map that sees the disc, not quite where it is; of some films without one it sees something, too."""
    rng = np.random.default_rng(100 + number)
    values = rng.random((size, size)) * 0.3
    mask = true_mask(number)
    if mask is None and number % 7 == 1:
        mask = np.zeros((SIZE, SIZE), bool)
        mask[20:24, 20:24] = True
    if mask is not None:
        shifted = cv2.resize(np.roll(mask, 1, axis=1).astype(np.float32), (size, size))
        values = np.maximum(values, shifted * rng.uniform(0.7, 1))
    return np.rint(values * 255).astype(np.uint8)
