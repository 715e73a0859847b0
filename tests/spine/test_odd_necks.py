"""Stages 52 and 53 on studies of one slice, of air alone, and whose segmentation shows no vertebra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2022.paths import SLICES, volume_path
from hounsfield.competitions.rsna2022.tables import BOX, RATIOS, SLICE_SCHEMA, open_data_set
from hounsfield.core.stages.outputs import Provenance, output, read_record
from hounsfield.core.storage.arrays import open_array, write_array
from hounsfield.core.storage.tables import read_table, write_table
from hounsfield.spine.paths import boxes_folder, pseudo_labels_folder
from spine.made_data import AIR, DATA_SET, made_necks
from spine.necks import CONFIG, EXPERIMENT, run_stage

AIRY, UNSEEN = "1.2.001", "1.2.002"


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six studies of one to six slices: one is air, one shows no vertebra."""
    work = tmp_path_factory.mktemp("odd")
    folder = made_necks(work, train=6, test=0, slices=(1, 6))
    path = volume_path(work, DATA_SET, AIRY)
    write_array(path, np.full_like(open_array(path), AIR))
    slices = read_table(folder / SLICES, SLICE_SCHEMA)
    own = slices["study_uid"].isin([AIRY, UNSEEN])
    slices.loc[own, "has_box"] = 0
    slices.loc[own, list(BOX)] = np.nan
    slices.loc[own, list(RATIOS)] = 0
    record = read_record(folder)
    assert record is not None
    with output(folder, Provenance(record["stage"], record["settings"], {}), force=False, remedy="") as out:
        write_table(folder / SLICES, slices, SLICE_SCHEMA)
        out.finish(record["files"])
    config = CONFIG.replace("size: 32", "size: 64").replace("seeds: [0, 1]", "seeds: [0]")
    for stage in ("spine_boxes", "spine_vertebrae"):
        run_stage(work, stage, config=config)
    return work


def test_each_has_a_box_within_it(answered: Path) -> None:
    boxes = pd.read_parquet(boxes_folder(answered, DATA_SET, EXPERIMENT) / "rows.parquet")
    counts = [len(open_array(volume_path(answered, DATA_SET, uid))) for uid in boxes["study_uid"]]
    assert min(counts) == 1
    assert (boxes["first_slice"] >= 0).all()
    assert (boxes["last_slice"] < counts).all()
    assert (boxes["x0"] < boxes["x1"]).all()


def test_each_slice_has_finite_pseudo_labels(answered: Path) -> None:
    labels = pd.read_parquet(pseudo_labels_folder(answered, DATA_SET, EXPERIMENT) / "rows.parquet")
    data = open_data_set(answered, DATA_SET, str)
    assert len(labels) == len(pd.read_parquet(data.file(SLICES)))
    assert np.isfinite(labels.filter(regex="_pred$|_frac$").to_numpy()).all()
