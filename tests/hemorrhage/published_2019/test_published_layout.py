from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import SLICES, data_folder
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import require
from hounsfield.hemorrhage.paths import IMPORT
from hounsfield.hemorrhage.published_2019 import stores
from hounsfield.hemorrhage.sequence_batches import build_batch, index_series, open_store
from programs import run_program
from published_2019.published_files import (
    DATA_SET,
    EXPERIMENT,
    WIDTH,
    Truth,
    array_name,
    as_tar_gz,
    make_download,
    make_truth,
    store_of,
    take,
    write_arrays,
    write_tables,
)

SPLITS = ("trn", "val", "tst")


def said(*words: str) -> str:
    return " ".join(words)


def table_of(work: Path) -> Path:
    return data_folder(work, DATA_SET) / SLICES


def slices_of(work: Path) -> pd.DataFrame:
    return read_slices(open_data_set(work, DATA_SET, said))


def embeddings_by_image(work: Path, fold: str, epoch: int, view: str = "identity") -> pd.DataFrame:
    folder = store_of(work, fold, epoch)
    rows = pd.read_parquet(folder / "rows.parquet")["image_id"]
    return pd.DataFrame(np.load(folder / f"{view}.npy"), index=rows)


def write_row_orders(folder: Path, truth: Truth, fold: int = 1) -> list[Path]:
    paths = [folder / f"{split}.csv" for split in SPLITS]
    for split, path in zip(SPLITS, paths, strict=True):
        pd.DataFrame({"Image": truth.images(split, fold), "other": 1}).to_csv(path, index=False)
    return paths


def test_sequence_inputs_are_the_published_ones(download: Path, work: Path, truth: Truth) -> None:
    take(download, work, "--embedding.dtype", "float32")
    slices = slices_of(work)
    labels = slices[list(CLASSES)].to_numpy(np.float32)
    index = index_series(slices)
    for epoch in (0, 1):
        published = truth.embeddings("identity", 1, epoch)
        embeddings = require(work, store_of(work, "1", epoch), IMPORT, said)
        store = open_store(embeddings, slices["image_id"])
        for place, start in enumerate(index.starts):
            images = truth.in_series_order(slices["series_uid"][start])
            batch = build_batch(store, index, np.array([place]), labels, pad_front=False)
            assert slices["image_id"][batch.rows[0].numpy()].tolist() == images
            np.testing.assert_array_equal(batch.embeddings[0].numpy(), published.loc[images])


def test_slices_have_the_published_folds_and_labels_and_nothing_invented(
    download: Path, work: Path, truth: Truth
) -> None:
    take(download, work)
    slices = slices_of(work).set_index("image_id")
    wanted = truth.slices.set_index("image_id").loc[slices.index]
    np.testing.assert_array_equal(slices["fold"].to_numpy(float), wanted["fold"].to_numpy())
    assert (slices["split"] == np.where(wanted["fold"].isna(), "test", "train")).all()
    train = pd.read_csv(download / "train.csv.gz").set_index("Image")
    own = slices.loc[train.index, list(CLASSES)]
    np.testing.assert_array_equal(own.to_numpy(float), train[list(CLASSES)].to_numpy(float))
    assert slices.loc[wanted.index[wanted["fold"].isna()], list(CLASSES)].isna().all(axis=None)
    assert slices["path"].isna().all() and slices["hu_min"].isna().all() and slices["x0"].isna().all()
    np.testing.assert_allclose(slices[["x_mm", "y_mm"]], [[-125, -115.9]] * len(slices))
    np.testing.assert_array_equal(slices["z_mm"], wanted["z"])


def test_record_describes_a_store_without_logits_and_whom_its_classifier_has_seen(
    download: Path, work: Path, truth: Truth
) -> None:
    take(download, work)
    embeddings = require(work, store_of(work), IMPORT, said)
    record = embeddings.record
    assert set(record["files"]) == {"identity.npy", "rows.parquet", "learned.parquet"}
    assert record["settings"] == {"fold": "1", "epoch": 0, "dtype": "float16"}
    form = {"rows": len(truth.slices), "width": WIDTH, "dtype": "float16", "views": ["identity"]}
    assert record["facts"] == form | {"arguments": [str(download)]}
    assert {"data set", array_name("identity", "trn", 1, 0)} < set(record["inputs"])
    assert np.load(store_of(work) / "identity.npy").dtype == np.float16
    patients = truth.slices.set_index("image_id")["patient_id"]
    for split, role in (("trn", "upstream"), ("val", ""), ("tst", "")):
        roles = embeddings.learned().roles_of(patients.loc[truth.images(split, 1)].to_numpy())
        assert set(roles) == {role}


def test_row_orders_given_as_tables_give_the_same_store_and_no_pickle_is_read(
    download: Path, work: Path, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(download, work)
    wanted = (store_of(work) / "identity.npy").read_bytes()
    for loader in download.glob("loader*"):
        loader.write_bytes(b"not to be read")
    other = work.parent / "other"
    (other.parent / "tables").mkdir()
    take(download, other, "--row-order", *write_row_orders(other.parent / "tables", truth))
    assert (store_of(other) / "identity.npy").read_bytes() == wanted


def test_tar_gz_gives_the_same_and_its_unpacked_files_go(download: Path, work: Path) -> None:
    take(download, work)
    wanted = (store_of(work) / "identity.npy").read_bytes(), table_of(work).read_bytes()
    archive = as_tar_gz(download)
    shutil.rmtree(download)
    other = work.parent / "other"
    take(archive, other)
    assert ((store_of(other) / "identity.npy").read_bytes(), table_of(other).read_bytes()) == wanted
    assert sorted(path.name for path in (other / "data" / DATA_SET).iterdir()) == [
        ".lock",
        "embeddings",
        "output.json",
        "slices.parquet",
    ]


def test_views_have_their_plain_names(tmp_path: Path, work: Path, truth: Truth) -> None:
    source = make_download(tmp_path / "views", truth, views=("identity", "hflip", "transpose"), epochs=1)
    take(source, work, "--embedding.dtype", "float32")
    for view in ("identity", "hflip", "transpose"):
        found, published = embeddings_by_image(work, "1", 0, view), truth.embeddings(view, 1, 0)
        np.testing.assert_array_equal(found, published.loc[found.index])
    assert read_record(store_of(work))["facts"]["views"] == ["identity", "hflip", "transpose"]


def test_fold_six_is_trained_on_all_and_its_repeated_validation_slices_are_not_read(
    tmp_path: Path, work: Path, truth: Truth
) -> None:
    write_tables(tmp_path / "all", truth)
    write_arrays(tmp_path / "all", truth, views=("identity",), folds=(6,), epochs=1)
    take(tmp_path / "all", work)
    assert len(embeddings_by_image(work, "all", 0)) == len(truth.slices)


def test_row_orders_fit_one_fold_only(download: Path, work: Path, truth: Truth) -> None:
    write_arrays(download, truth, views=("identity",), folds=(0,), epochs=1)
    orders = write_row_orders(work.parent, truth)
    with pytest.raises(WrongUse, match="--row-order fits one fold, and there are 0, 1; choose one with --fold"):
        take(download, work, "--row-order", *orders)
    with pytest.raises(MissingInput, match="no embeddings of fold 4; there are those of 0, 1"):
        take(download, work, "--fold", "4")
    with pytest.raises(BadInput, match=r"trn\.csv: \d+ images that are not trn of fold 0 in the tables"):
        take(download, work, "--row-order", *orders, "--fold", "0")
    take(download, work, "--row-order", *orders, "--fold", "1")
    assert {path.name for path in store_of(work).parent.parent.iterdir()} == {"fold1", f"{EXPERIMENT}.yaml"}


def test_second_time_does_nothing_and_other_arrays_need_force(download: Path, work: Path, truth: Truth) -> None:
    take(download, work)
    stamps = [path.stat().st_mtime_ns for path in sorted((work / "data").rglob("*.npy"))]
    table = table_of(work).stat().st_mtime_ns
    take(download, work)
    assert [path.stat().st_mtime_ns for path in sorted((work / "data").rglob("*.npy"))] == stamps
    assert table_of(work).stat().st_mtime_ns == table
    array = download / array_name("identity", "trn", 1, 0)
    np.savez(array, np.ones((len(truth.images("trn", 1)), WIDTH), np.float32))
    with pytest.raises(StaleOutput, match=rf"{array.name}: another content(.|\n)*run_31_\S+ {download}\S* .*--force"):
        take(download, work)
    take(download, work, "--force")
    assert (embeddings_by_image(work, "1", 0).loc[truth.images("trn", 1)] == 1).all(axis=None)


def test_other_slices_of_that_data_set_are_not_replaced_without_force(
    download: Path, work: Path, tmp_path: Path
) -> None:
    take(download, work)
    fewer = make_download(tmp_path / "fewer", make_truth(patients=7))
    before = table_of(work).read_bytes()
    with pytest.raises(StaleOutput, match=r"train\.csv\.gz: another content(.|\n)*makes stale"):
        take(fewer, work)
    assert table_of(work).read_bytes() == before
    take(fewer, work, "--force")
    assert len(embeddings_by_image(work, "1", 0)) == 35


def kill(*_: object) -> None:
    raise KeyboardInterrupt


def test_killed_import_goes_on_with_the_arrays_that_are_missing(
    download: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(download, work)
    wanted = {path: path.read_bytes() for path in sorted((work / "data").rglob("*.npy"))}
    shutil.rmtree(work)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stores, "learned_by_classifier", kill)
        with pytest.raises(KeyboardInterrupt):
            take(download, work)
    assert read_record(store_of(work)) is None
    stamp = (store_of(work) / "identity.npy").stat().st_mtime_ns
    take(download, work)
    assert (store_of(work) / "identity.npy").stat().st_mtime_ns == stamp
    assert {path: path.read_bytes() for path in wanted} == wanted


def test_published_embeddings_go_through_the_sequence_stage_to_a_submission(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    (tmp_path / "published").mkdir()
    source = make_download(tmp_path / "published", make_truth(patients=15))
    config = tmp_path / "published.yaml"
    config.write_text(  # two epochs were published
        "data_set: stage1\nfolds: [1]\nthreads: 1\nembedding: {views: [identity], epochs: [0, 1, 2, 3]}\n"
        "sequence: {hidden_units: 8, epochs: 2, epochs_to_bag: 2}\n"
    )
    arguments = ("--config", config, "--work", work)
    capsys.readouterr()
    run_program("hemorrhage_import_embeddings", source, *arguments)
    resolved, folds = capsys.readouterr().out.splitlines()
    assert folds == "1"
    arguments = ("--config", resolved, "--work", work, "--fold", folds)
    run_program("hemorrhage_train_sequence", *arguments)
    run_program("hemorrhage_bag", *arguments)
    scores = pd.read_csv(work / "preds/hemorrhage/published/scores.csv")
    assert scores["system"].tolist() == ["prior", "sequence", "bag"]
    assert len(pd.read_csv(work / "preds/hemorrhage/published/submission.csv.gz")) % 6 == 0
