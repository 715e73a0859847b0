"""The first level: which tables belong together, their mean, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from first_level import CONFIG, all_tables, arguments_for, make_table, open_slices, write_stacking_slices
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.stages.outputs import RECORD
from hounsfield.stacking.ensemble import fill_minimum, read_first_level
from hounsfield.stacking.paths import PREDICTIONS
from hounsfield.stacking.tables import read_stacking_slices


@pytest.fixture
def work(tmp_path: Path, first_level_work: Path) -> Path:
    """Slices and all tables."""
    return shutil.copytree(first_level_work, tmp_path / "work")


def slices_of(work: Path) -> pd.DataFrame:
    return read_stacking_slices(open_slices(work))


def test_the_mean_is_over_networks_and_epochs_and_for_test_slices_over_folds_too(work) -> None:
    slices, tables = slices_of(work), all_tables(work)
    first_level = read_first_level(LABELS, tables, slices)
    for kind in ("test", "train"):
        row = slices[(slices["split"] == kind) & slices["hu_crc32"].notna()].index[0]
        image, fold = slices.loc[row, ["image_id", "fold"]]
        read = [read_predictions(t.output.file(PREDICTIONS), LABELS, remedy="").set_index("image_id") for t in tables]
        found = [frame.loc[image, list(CLASSES)] for frame in read if image in frame.index]
        assert len(found) == (12 if kind == "test" else 4)
        assert all(image in frame.index for t, frame in zip(tables, read, strict=True) if t.fold == fold)
        np.testing.assert_allclose(first_level.ensemble[row], np.mean(found, axis=0).astype(float))


def test_a_slice_without_an_image_takes_the_class_minimum_of_its_own_kind(work) -> None:
    slices = slices_of(work)
    first_level = read_first_level(LABELS, all_tables(work), slices)
    seen, is_test = slices["hu_crc32"].notna(), slices["split"] == "test"
    for mean in (first_level.ensemble, *first_level.networks.values()):
        for kind in (is_test, ~is_test):
            assert (~seen & kind).any()
            least = mean[seen & kind].min(axis=0)
            np.testing.assert_array_equal(mean[~seen & kind], np.tile(least, ((~seen & kind).sum(), 1)))


def test_labelled_slices_of_folds_that_are_left_out_have_no_prediction(work) -> None:
    slices = slices_of(work)
    first_level = read_first_level(LABELS, all_tables(work, (0, 2)), slices)
    np.testing.assert_array_equal(np.isnan(first_level.ensemble).all(axis=1), slices["fold"] == 1)


def test_without_any_prediction_there_is_no_minimum() -> None:
    nothing = np.full((2, 6), np.nan)
    with pytest.raises(BadInput, match="no test slice has a prediction"):
        fill_minimum(nothing, {"test": np.array([True, True])})


@pytest.mark.parametrize("gone", [PREDICTIONS, RECORD])
def test_a_missing_fold_or_epoch_is_named(work, gone) -> None:
    (all_tables(work)[5].output.folder / gone).unlink()
    with pytest.raises(MissingInput, match=r"fold2_epoch3(.|\n)*bin/run_43_"):
        all_tables(work)


def test_a_network_that_was_never_predicted_is_named(work, monkeypatch) -> None:
    third = replace(CONFIG, networks=(*CONFIG.networks, replace(CONFIG.networks[0], name="third")))
    monkeypatch.setattr(arguments_for, "__defaults__", (third,))
    with pytest.raises(MissingInput, match=r"6 of 18 tables (.|\n)*\n  predictions third fold 0 epoch 2: "):
        all_tables(work)


def test_tables_of_other_settings_are_refused_with_what_differs(work) -> None:
    make_table(work, 3, settings={"passes": 1})
    with pytest.raises(StaleOutput, match=r"small/fold1_epoch3 (.|\n)*passes: 1 -> 5(.|\n)*bin/run_43_\S+ --force"):
        all_tables(work)


def test_tables_from_other_slices_are_refused_from_the_classifier_on(work) -> None:
    write_stacking_slices(work, lambda table: table.assign(brain_ratio=0.5))
    with pytest.raises(StaleOutput, match=r"stacking data(.|\n)*bin/run_42_\S+ --force && .*bin/run_43_\S+ --force"):
        all_tables(work)


def test_a_table_that_lacks_slices_or_holds_one_without_an_image_is_named_with_their_count(work) -> None:
    slices = slices_of(work)
    make_table(work, 7, lambda frame: frame.iloc[3:])
    with pytest.raises(BadInput, match=r"large/fold0_epoch3.*: 3 rows are missing here \(ID_toy"):
        read_first_level(LABELS, all_tables(work), slices)
    unseen = slices.loc[slices["hu_crc32"].isna(), "image_id"].iloc[0]
    make_table(work, 7, lambda frame: pd.concat([frame, frame.iloc[:1].assign(image_id=unseen)]))
    with pytest.raises(BadInput, match=rf"1 row should not be here \({unseen}\); 0 are not in the data set"):
        read_first_level(LABELS, all_tables(work), slices)


def test_a_table_that_was_changed_by_hand_is_refused_with_the_file_named(work) -> None:
    tables, path = all_tables(work), all_tables(work)[1].output.folder / PREDICTIONS
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"fold0_epoch3.predictions\.parquet"):
        read_first_level(LABELS, tables, slices_of(work))
