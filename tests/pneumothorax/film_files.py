"""A small prepared data set of made-up films: noise, and on some a bright disc, which is its mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.paths import FILMS, PREPARE, film_path, mask_path
from hounsfield.competitions.siim2019.tables import ALWAYS_TRAINED, FILM_SCHEMA
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.storage.image_files import encode_png, store_image
from hounsfield.core.storage.tables import write_table

DATA_SET, SIZE, FOLDS = "discs", 64, 2
FILM_IDS = [f"film{number:02d}" for number in range(20)]  # the last two in no fold


def make_films(work: Path, positive: Sequence[str] = FILM_IDS[::2]) -> None:
    """Write images, masks, table and record, as stage 61 does. positive: the films with a disc."""
    folder, draws, rows = work / "data" / DATA_SET, np.random.default_rng(5), []
    with output(folder, Provenance(PREPARE, {"fold_count": FOLDS}, {}), force=False, remedy="") as out:
        for number, name in enumerate(FILM_IDS):
            mask = np.zeros((SIZE, SIZE), np.uint8)
            if name in positive:
                y, x = np.mgrid[:SIZE, :SIZE]
                centre = draws.uniform(14, SIZE - 14, 2)
                mask[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 9**2] = 255
            film = (draws.integers(0, 90, mask.shape) + 0.6 * mask).astype(np.uint8)
            row = {name: 0 if FILM_SCHEMA.field(name).type != "string" else "" for name in FILM_SCHEMA.names}
            row |= {"film_id": name, "split": "train", "label": int(mask.any()), "patient_id": f"patient{number // 2}"}
            row |= {"fold": ALWAYS_TRAINED if number >= 18 else number // 2 % FOLDS, "mask_pixels": (mask > 0).sum()}
            row["image_crc32"] = store_image(film_path(work, DATA_SET, name), encode_png(film))
            if mask.any():
                row["mask_crc32"] = store_image(mask_path(work, DATA_SET, name), encode_png(mask))
            else:
                row["mask_crc32"] = None
            rows.append(row)
        write_table(folder / FILMS, pd.DataFrame(rows), FILM_SCHEMA)
        out.finish([FILMS])
