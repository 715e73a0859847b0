from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.stages.outputs import read_record
from hounsfield.hemorrhage.published_2019 import stores
from hounsfield.hemorrhage.published_2019.tables import numbers
from published_2019.published_files import WIDTH, Truth, array_name, pickled_loader, take


def edit_table(name: str, edit: Callable[[pd.DataFrame], pd.DataFrame], source: Path) -> None:
    edit(pd.read_csv(source / name, dtype=str)).to_csv(source / name, index=False)


def save_array(source: Path, array: np.ndarray, split: str = "trn") -> None:
    np.savez(source / array_name("identity", split, 1, 0), array)


def damage(source: Path) -> None:
    path = source / array_name("identity", "trn", 1, 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def loader_path(source: Path, split: str) -> Path:
    return source / array_name("identity", split, 1, 0).replace("emb", "loader", 1).removesuffix(".npz")


def swap_loaders(source: Path) -> None:
    shutil.copy(loader_path(source, "val"), loader_path(source, "trn"))


FAULTS: dict[str, tuple[Callable[[Path, Truth], object], type[Exception], str]] = {
    "an array is missing": (
        lambda source, truth: (source / array_name("identity", "tst", 1, 1)).unlink(),
        MissingInput, "fold 1, epoch 1, identity: the embeddings of tst are missing",
    ),
    "a loader is missing": (
        lambda source, truth: loader_path(source, "val").unlink(),
        MissingInput, r"the loader beside it is missing; give the row order with --row-order TRN VAL TST",
    ),
    "a table is missing": (
        lambda source, truth: (source / "test.csv.gz").unlink(),
        MissingInput, r"test\.csv\.gz is missing; it comes with the published embeddings, or name it with its option",
    ),
    "no array at all": (
        lambda source, truth: [path.unlink() for path in source.glob("emb*")],
        MissingInput, r"no file is called like emb_trn_size480_fold1_ep0\.npz",
    ),
    "the same array twice": (
        lambda source, truth: shutil.copytree(source, source / "copy"),
        BadInput, "have the same name|hold the same part",
    ),
    "a slice without embeddings": (
        lambda source, truth: (
            loader_path(source, "trn").write_bytes(pickled_loader(truth.images("trn", 1)[1:])),
        ),
        BadInput, "fold 1, epoch 0, identity: 1 slices without embeddings; the first are: ID_",
    ),
    "a slice with two embeddings": (
        lambda source, truth: loader_path(source, "trn").write_bytes(
            pickled_loader(truth.images("trn", 1)[:1] + truth.images("trn", 1))
        ),
        BadInput, "1 slices with several embeddings",
    ),
    "an unknown image": (
        lambda source, truth: loader_path(source, "val").write_bytes(pickled_loader(["ID_nobody"] * 12)),
        BadInput, "12 images that are no slices of the tables; the first are: (ID_nobody, ){9}ID_nobody$",
    ),
    "training and validation swapped": (
        lambda source, truth: swap_loaders(source),
        BadInput, "images that are not trn of fold 1 in the tables",
    ),
    "too few rows": (
        lambda source, truth: save_array(source, np.zeros((3, WIDTH), np.float32)),
        BadInput, r"emb_trn_size480_fold1_ep0\.npz has 3 rows, and its row order 2\d",
    ),
    "objects": (
        lambda source, truth: save_array(source, np.array([[{}]], dtype=object)),
        BadInput, r"object \(1, 1\), expected floating-point numbers",
    ),
    "stored by column": (
        lambda source, truth: save_array(source, np.asfortranarray(np.zeros((3, 3), np.float32))),
        BadInput, "expected floating-point numbers .* stored row by row",
    ),
    "not a number": (
        lambda source, truth: save_array(source, np.full((len(truth.images("trn", 1)), WIDTH), np.nan, np.float32)),
        BadInput, "from row 0 on, values that are no numbers or too large for float16",
    ),
    "too large for float16": (
        lambda source, truth: save_array(source, np.full((len(truth.images("trn", 1)), WIDTH), 1e5, np.float32)),
        BadInput, "too large for float16",
    ),
    "another width": (
        lambda source, truth: save_array(source, np.zeros((len(truth.images("val", 1)), 3), np.float32), "val"),
        BadInput, r"emb_val_size480_fold1_ep0\.npz is 3 wide, and others are 6",
    ),
    "flipped bits": (lambda source, truth: damage(source), BadInput, "fold1_ep1.npz is no readable npz"),
    "a pickle in place of the arrays": (
        lambda source, truth: (source / array_name("identity", "trn", 1, 0)).write_bytes(pickle.dumps([1])),
        BadInput, "is no readable npz",
    ),
    "a patient in two folds": (
        lambda source, truth: edit_table("train.csv.gz", lambda t: t.assign(fold=t["epidural"]), source),
        BadInput, "patients in two folds",
    ),
    "a fold that is none": (
        lambda source, truth: edit_table("train.csv.gz", lambda t: t.assign(fold="9"), source),
        BadInput, "folds that are not 0 to 4",
    ),
    "a label that is none": (
        lambda source, truth: edit_table("train.csv.gz", lambda t: t.assign(any="2"), source),
        BadInput, "labels that are not 0 or 1; the first are: ID_",
    ),
    "a position that is none": (
        lambda source, truth: edit_table(
            "test_metadata.csv", lambda t: t.assign(ImagePositionPatient="['1', 'x', '3']"), source
        ),
        BadInput, r"ImagePositionPatient: 10 values that are not 3 numbers; the first are: \['1', 'x', '3'\]",
    ),
    "an image without a header": (
        lambda source, truth: edit_table("train_metadata.csv", lambda t: t.iloc[1:], source),
        BadInput, r"1 images of the other tables missing; the first are: ID_",
    ),
    "a header without a series": (
        lambda source, truth: edit_table("test_metadata.csv", lambda t: t.assign(SeriesInstanceUID=None), source),
        BadInput, "10 rows without SeriesInstanceUID",
    ),
    "a column that is missing": (
        lambda source, truth: edit_table("train.csv.gz", lambda t: t.drop(columns="fold"), source),
        BadInput, r"train\.csv\.gz is no readable table with the columns Image, .*fold",
    ),
    "an image in both sets": (
        lambda source, truth: edit_table("test.csv.gz", lambda t: t.assign(Image=truth.images("trn", 1)[0]), source),
        BadInput, "images that are listed twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_told_and_no_store_is_finished(download: Path, work: Path, truth: Truth, fault: str) -> None:
    cause, error, message = FAULTS[fault]
    cause(download, truth)
    with pytest.raises(error, match=message):
        take(download, work)
    for folder in (work / "data").rglob("epoch*"):
        assert read_record(folder) is None or (folder.name == "epoch0" and "ep1" in message)


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_loader_that_would_run_a_command_runs_nothing(download: Path, work: Path, tmp_path: Path) -> None:
    loader_path(download, "trn").write_bytes(pickle.dumps({"dataset": Touch(tmp_path / "touched")}))
    with pytest.raises(BadInput, match="holds no loader with a data set; give the row order with --row-order"):
        take(download, work)
    assert not (tmp_path / "touched").exists()


def test_large_arrays_are_read_in_blocks(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((10_000, 3)).astype(np.float32)
    np.savez(tmp_path / "a.npz", array)
    blocks = list(stores.read_published_array(tmp_path / "a.npz", 10_000, "float32"))
    assert [start for start, _ in blocks] == [0, 4096, 8192]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), array)


def test_array_that_claims_to_be_vast_is_refused_at_once(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 60000), }"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("arr_0.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(BadInput, match="has 1000000000 rows, and its row order 5"):
        list(stores.read_published_array(tmp_path / "a.npz", 5, "float32"))
    with pytest.raises(BadInput, match="is no readable npz"):
        list(stores.read_published_array(tmp_path / "a.npz", 10**9, "float32"))


def test_lists_written_as_text_are_parsed_and_missing_ones_stay_unknown() -> None:
    texts = pd.Series(["['-125', '-115.9', '36']", "[1.0, 2, 3e1]", None, "('0','0','-7')"])
    found = numbers(texts, 3, "table")
    np.testing.assert_array_equal(found, [[-125, -115.9, 36], [1, 2, 30], [np.nan] * 3, [0, 0, -7]])
    for bad in ("['1', '2']", "['1', '2', '3', '4']", "['1', '2', 'nan']", "", "36"):
        with pytest.raises(BadInput, match="table: 1 values that are not 3 numbers"):
            numbers(pd.Series(["[1,2,3]", bad]), 3, "table")
