"""One pass over a DICOM file: header, pixels, grey levels, PNG (SIIM-ACR 2019, 1st place, section 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hounsfield.competitions.siim2019.paths import SUFFIX
from hounsfield.core.dicom.films import read_film
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.storage.image_files import encode_png, image_path, store_image


def prepare_film(
    _file: SourceFile, content: bytes, film_id: str, *, films: Path, patients: Naming, image_size: int
) -> dict[str, Any]:
    """Write one film's image below `films` and return its row (FILE_SCHEMA). Raises Refused.

    content: the file's bytes. patients: names them. Where the header names no patient, a film belongs to its study, and
    where it names no study, to itself.
    """
    film = read_film(content)
    return {
        "image_id": film_id,
        "patient_id": patients.pseudonym(film.patient_id or film.study_uid or film_id),
        "view_position": film.view_position,
        "rows": film.grey.shape[0],
        "columns": film.grey.shape[1],
        "photometric": film.photometric,
        "bits_stored": film.bits_stored,
        "vendor": film.vendor,
        "window_used": film.window_used,
        "pixel_digest": film.pixel_digest,
        "flags": " ".join(film.flags),
        "image_crc32": store_image(image_path(films, film_id, SUFFIX), encode_png(resize_film(film.grey, image_size))),
    }


def resize_film(grey: np.ndarray, size: int) -> np.ndarray:
    """A film at another size, (size, size) uint8, stretched where it is no square: its mask is stretched alike."""
    smaller = min(grey.shape) > size
    return np.asarray(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR))
