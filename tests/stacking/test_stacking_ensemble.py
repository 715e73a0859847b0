"""The first level: which tables belong together, their mean, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from first_level import CONFIG, EXPERIMENT, all_tables, make_table, write_stacking_slices
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput
from hounsfield.core.evaluation.predictions import manifest_path, prediction_schema, read_predictions
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.tables import write_table
from hounsfield.stacking.ensemble import check_inputs, expected_tables, fill_minimum, read_first_level
from hounsfield.stacking.tables import read_stacking_slices


@pytest.fixture
def work(tmp_path: Path, first_level_work: Path) -> Path:
    """Slices and all tables."""
    return shutil.copytree(first_level_work, tmp_path / "work")


def slices_of(work: Path) -> pd.DataFrame:
    return read_stacking_slices(work, CONFIG.data_set, EXPERIMENT)


def check(work: Path, config=CONFIG) -> dict[str, str]:
    return check_inputs(work, EXPERIMENT, config, config.folds)


def test_the_mean_is_over_networks_and_epochs_and_for_test_slices_over_folds_too(work) -> None:
    slices, tables = slices_of(work), all_tables(work)
    first_level = read_first_level(tables, slices)
    for kind in ("test", "train"):
        row = slices[(slices["split"] == kind) & slices["hu_crc32"].notna()].index[0]
        image, fold = slices.loc[row, ["image_id", "fold"]]
        read = [read_predictions(t.path, LABELS, remedy="")[0].set_index("image_id") for t in tables]
        found = [frame.loc[image, list(CLASSES)] for frame in read if image in frame.index]
        assert len(found) == (12 if kind == "test" else 4)
        assert all(image in frame.index for t, frame in zip(tables, read, strict=True) if t.fold == fold)
        np.testing.assert_allclose(first_level.ensemble[row], np.mean(found, axis=0).astype(float))


def test_a_slice_without_an_image_takes_the_class_minimum_of_its_own_kind(work) -> None:
    slices = slices_of(work)
    first_level = read_first_level(all_tables(work), slices)
    seen, is_test = slices["hu_crc32"].notna(), slices["split"] == "test"
    for mean in (first_level.ensemble, *first_level.networks.values()):
        for kind in (is_test, ~is_test):
            assert (~seen & kind).any()
            least = mean[seen & kind].min(axis=0)
            np.testing.assert_array_equal(mean[~seen & kind], np.tile(least, ((~seen & kind).sum(), 1)))


def test_labelled_slices_of_folds_that_are_left_out_have_no_prediction(work) -> None:
    slices = slices_of(work)
    first_level = read_first_level(expected_tables(work, EXPERIMENT, CONFIG, [0, 2]), slices)
    np.testing.assert_array_equal(np.isnan(first_level.ensemble).all(axis=1), slices["fold"] == 1)


def test_without_any_prediction_there_is_no_minimum() -> None:
    nothing = np.full((2, 6), np.nan)
    with pytest.raises(BadInput, match="no test slice has a prediction"):
        fill_minimum(nothing, {"test": np.array([True, True])})


@pytest.mark.parametrize("gone", ["table", "manifest"])
def test_a_missing_fold_or_epoch_is_named(work, gone) -> None:
    table = all_tables(work)[5]
    (table.path if gone == "table" else manifest_path(table.path)).unlink()
    if gone == "table":
        manifest_path(table.path).unlink()
    with pytest.raises(MissingInput, match=r"1 of 12 checkpoints .*\n  small fold 2 epoch 3: .*\nMake .*bin/run_43_"):
        check(work)


def test_a_network_that_was_never_predicted_is_named(work) -> None:
    third = replace(CONFIG.networks[0], name="third")
    with pytest.raises(MissingInput, match=r"6 of 18 checkpoints .*\n  third fold 0 epoch 2: "):
        check(work, replace(CONFIG, networks=(*CONFIG.networks, third)))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"fold": 0}, "fold: 0 -> 1"),
        ({"settings": {"passes": 1}}, "settings.passes: 1 -> 5"),
        ({"network": "large"}, 'network: "large" -> "small"'),
        ({"inputs": None}, "slices: null -> "),
    ],
)
def test_tables_of_something_else_are_refused_with_what_differs(work, facts, said) -> None:
    make_table(work, all_tables(work)[3], **facts)
    with pytest.raises(StaleOutput) as refused:
        check(work)
    assert said in str(refused.value)
    assert str(all_tables(work)[3].path) in str(refused.value)


def test_tables_from_other_slices_are_refused(work) -> None:
    write_stacking_slices(work, lambda table: table.assign(brain_ratio=0.5))
    with pytest.raises(StaleOutput, match="slices: "):
        check(work)


def test_a_table_that_lacks_slices_or_holds_one_without_an_image_is_named_with_their_count(work) -> None:
    table, slices = all_tables(work)[7], slices_of(work)
    make_table(work, table, lambda frame: frame.iloc[3:])
    with pytest.raises(BadInput, match=r"3 rows are missing here \(ID_toy") as refused:
        read_first_level(all_tables(work), slices)
    assert str(table.path) in str(refused.value)
    unseen = slices.loc[slices["hu_crc32"].isna(), "image_id"].iloc[0]
    more = lambda frame: pd.concat([frame, frame.iloc[:1].assign(image_id=unseen)])  # noqa: E731
    make_table(work, table, more)
    with pytest.raises(BadInput, match=rf"1 rows should not be here \({unseen}\); 0 are not in the data set"):
        read_first_level(all_tables(work), slices)


def test_nan_in_a_table_is_refused_with_the_file_named(work) -> None:
    table = all_tables(work)[1]
    frame = pd.read_parquet(table.path)
    frame.loc[2, "any"] = np.nan
    manifest = manifest_path(table.path).read_text()
    before = file_digest(table.path)
    write_table(table.path, frame, prediction_schema(LABELS))
    manifest_path(table.path).write_text(manifest.replace(before, file_digest(table.path)))
    with pytest.raises(BadInput, match=r"1 rows do not hold 6 probabilities") as refused:
        read_first_level(all_tables(work), slices_of(work))
    assert str(table.path) in str(refused.value)
