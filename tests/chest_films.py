"""Small chest films and archives in the competition's shape, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import ComputedRadiographyImageStorage

from hounsfield.competitions.siim2019.rle import encode
from hounsfield.core.phantom_kit.dicom_writer import Storage, dicom_file

SIZE = 48


def chest(number: int = 0, top: int = 255) -> np.ndarray:
    """Dark lungs in a bright body, (48, 48); another picture for each number. top: the highest value."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    grey = 0.7 + 0.2 * y - 0.5 * (((x - 0.28) / 0.16) ** 2 + ((y - 0.45) / 0.32) ** 2 < 1)
    grey -= 0.5 * (((x - 0.72) / 0.16) ** 2 + ((y - 0.45) / 0.32) ** 2 < 1)
    grey[number // SIZE, number % SIZE] = 0.05
    return np.rint(grey * top)


def film_file(pixels: np.ndarray, bits: int = 8, **elements: Any) -> bytes:
    """A DICOM file of a film."""
    plain = {"SOPInstanceUID": "1.2.3.4", "Modality": "CR", "PatientID": "p", "StudyInstanceUID": "1.2.3", **elements}
    return dicom_file(pixels, Storage(bits=bits, signed=False), plain, sop_class=ComputedRadiographyImageStorage)


def corner(rows: int = 9, columns: int = 7, *, at: tuple[int, int] = (8, 9)) -> np.ndarray:
    """A mask, (48, 48) bool: a rectangle."""
    mask = np.zeros((SIZE, SIZE), bool)
    mask[at[0] : at[0] + rows, at[1] : at[1] + columns] = True
    return mask


def write_films(folder: Path, films: Mapping[str, bytes]) -> Path:
    """Write files by their path below `folder`."""
    for name, content in films.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def stage_1(folder: Path, masks: Mapping[str, Sequence[np.ndarray]], tests: Sequence[str] = ()) -> Path:
    """An archive of the first stage. masks: by film, one per row of the table, none for a film without a row."""
    films, rows = {}, ["ImageId, EncodedPixels"]
    for number, (film, found) in enumerate(masks.items()):
        content = film_file(chest(number), PatientID=f"p{number}")
        films[f"dicom-images-train/s{number}/t{number}/{film}.dcm"] = content
        rows += [f"{film}, {encode(mask)}" for mask in found]
    for number, film in enumerate(tests, 1000):
        films[f"dicom-images-test/s{number}/t{number}/{film}.dcm"] = film_file(chest(number), PatientID=f"p{number}")
    films["train-rle.csv"] = "\n".join(rows).encode()
    return write_films(folder, films)
