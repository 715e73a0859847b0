"""A small download in the layout published in 2019, made from known embeddings: tables, npz files, loaders."""

from __future__ import annotations

import pickle
import sys
import tarfile
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.hemorrhage.paths import store_folder
from programs import run_program

WIDTH, FOLDS = 6, 5
DATA_SET, EXPERIMENT = "stage1", "published"
LETTERS = {"identity": "", "hflip": "T", "transpose": "P"}


@dataclass
class Truth:
    """What the files hold. slices: image_id, patient_id, series_uid, z, fold (NaN for test); rows in random order."""

    slices: pd.DataFrame

    def embeddings(self, view: str, fold: int, epoch: int) -> pd.DataFrame:
        """One row of float32 an image."""
        seed = [*view.encode(), fold, epoch]
        values = np.random.default_rng(seed).random((len(self.slices), WIDTH)).astype(np.float32)
        return pd.DataFrame(values, index=self.slices["image_id"])

    def images(self, split: str, fold: int) -> list[str]:
        """The images of a split in the order of the published loader: by name, tests backwards."""
        test, own = self.slices["fold"].isna(), self.slices["fold"] == fold
        if fold == 6:
            chosen = {"trn": ~test, "val": ~test & (self.slices["patient_id"] == "P0"), "tst": test}[split]
        else:
            chosen = {"trn": ~test & ~own, "val": own, "tst": test}[split]
        return sorted(self.slices["image_id"][chosen], reverse=split == "tst")

    def in_series_order(self, series: str) -> list[str]:
        """The images of one series from the lowest position to the highest."""
        own = self.slices[self.slices["series_uid"] == series]
        return own.sort_values("z")["image_id"].tolist()


def make_truth(patients: int = 8, slices: int = 5) -> Truth:
    generator = np.random.default_rng(3)
    number = np.repeat(np.arange(patients), slices)
    frame = pd.DataFrame(
        {
            "image_id": [f"ID_{value:09x}" for value in generator.permutation(10**6)[: len(number)]],
            "patient_id": [f"P{value}" for value in number],
            "series_uid": [f"S{value}" for value in number],
            "z": generator.permutation(len(number)) * 5.0 - 40,
            "fold": [float(value % FOLDS) if value < patients - 2 else np.nan for value in number],
        }
    )
    return Truth(frame.sample(frac=1, random_state=1, ignore_index=True))


def write_tables(folder: Path, truth: Truth) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    slices, test = truth.slices, truth.slices["fold"].isna()
    headers = pd.DataFrame(
        {
            "SOPInstanceUID": slices["image_id"],
            "Modality": "CT",
            "PatientID": slices["patient_id"],
            "StudyInstanceUID": "T" + slices["patient_id"],
            "SeriesInstanceUID": slices["series_uid"],
            "ImagePositionPatient": [f"['-125', '-115.9', '{z}']" for z in slices["z"]],
            "ImageOrientationPatient": "['1', '0', '0', '0', '0.97', '-0.2']",
            "WindowCenter": "['00036', '00036']",
        }
    )
    headers[~test].to_csv(folder / "train_metadata.csv", index=False)
    headers[test].to_csv(folder / "test_metadata.csv", index=False)
    train = slices[~test].sort_values("image_id").rename(columns={"image_id": "Image", "patient_id": "PatientID"})
    for place, name in enumerate(CLASSES):
        train[name] = (np.arange(len(train)) >> place) % 2
    train[["Image", *CLASSES, "PatientID", "fold"]].to_csv(folder / "train.csv.gz", index=False)
    slices[test][["image_id"]].set_axis(["Image"], axis=1).to_csv(folder / "test.csv.gz", index=False)


def array_name(view: str, split: str, fold: int, epoch: int) -> str:
    return f"emb{LETTERS[view]}_{split}_size480_fold{fold}_ep{epoch}.npz"


def write_arrays(folder: Path, truth: Truth, *, views: tuple[str, ...], folds: tuple[int, ...], epochs: int) -> None:
    """The npz files and beside each its loader."""
    for view in views:
        for fold in folds:
            for epoch in range(epochs):
                for split in ("trn", "val", "tst"):
                    name, images = array_name(view, split, fold, epoch), truth.images(split, fold)
                    rows = truth.embeddings(view, fold, epoch).loc[images].to_numpy()
                    np.savez_compressed(folder / name, np.ascontiguousarray(rows))
                    loader = name.replace("emb", "loader", 1).removesuffix(".npz")
                    (folder / loader).write_bytes(pickled_loader(images))


def make_download(folder: Path, truth: Truth, *, views: tuple[str, ...] = ("identity",), epochs: int = 2) -> Path:
    """The published download: one fold, the tables beside the arrays."""
    write_tables(folder, truth)
    write_arrays(folder, truth, views=views, folds=(1,), epochs=epochs)
    return folder


def as_tar_gz(folder: Path) -> Path:
    archive = folder.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(folder, arcname="resnext101v12fold1")
    return archive


def pickled_loader(images: list[str]) -> bytes:
    """A pickled loader whose data set holds a table with these images, in the form of pandas 0.25 and protocol 2.

    The classes it names need not exist where it is read; here they are made up for as long as it takes to write them.
    """
    column = np.array([images], dtype=object)
    names = np.array(["Image"], dtype=object)
    index = made_up("pandas.core.indexes.base", "Index", {})
    blocks = [{"values": column, "mgr_locs": slice(0, 1, 1)}]
    axes = [Call("pandas.core.indexes.base", "_new_Index", (type(index), {"data": names, "name": None})), None]
    state = ([], [], [], {"0.14.1": {"axes": axes, "blocks": blocks}})
    manager = made_up("pandas.core.internals.managers", "BlockManager", state)
    frame = made_up("pandas.core.frame", "DataFrame", {"_data": manager, "_typ": "dataframe"})
    data_set = made_up("__main__", "IntracranialDataset", {"data": frame, "transform": None})
    loader = made_up("torch.utils.data.dataloader", "DataLoader", {"dataset": data_set, "batch_size": 16})
    with MadeUpModules():
        return pickle.dumps(loader, 2)


MADE_UP: dict[tuple[str, str], Any] = {}


def made_up(module: str, name: str, state: Any) -> Any:
    """An object of a class of this name, which pickles with `state`."""
    key = (module, name)
    if key not in MADE_UP:
        MADE_UP[key] = type(name, (), {"__module__": module, "__getstate__": lambda self: self.content})
    thing = MADE_UP[key]()
    thing.content = state
    return thing


class Call:
    """Pickles as the call of a function."""

    def __init__(self, module: str, name: str, arguments: tuple[Any, ...]) -> None:
        function = MADE_UP.setdefault((module, name), types.FunctionType((lambda: None).__code__, {}, name))
        function.__module__, function.__qualname__ = module, name
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


class MadeUpModules:
    """Puts modules with the made-up names in the place of the real ones, so that pickle finds what it names."""

    def __enter__(self) -> None:
        named = {module for module, _ in MADE_UP}
        above = {module.rsplit(".", depth)[0] for module in named for depth in range(1, 5)} - sys.modules.keys()
        self.real = {module: sys.modules.get(module) for module in named | above}
        for module in self.real:
            sys.modules[module] = types.ModuleType(module)
        for (module, name), thing in MADE_UP.items():
            setattr(sys.modules[module], name, thing)

    def __exit__(self, *_: object) -> None:
        for module, real in self.real.items():
            if real is None:
                del sys.modules[module]
            else:
                sys.modules[module] = real


def take(source: Path, work: Path, *more: object) -> None:
    """Import the download into `work`, by the program."""
    config = work.parent / f"{EXPERIMENT}.yaml"
    config.write_text(f"data_set: {DATA_SET}\nembedding:\n  views: [identity]\n")
    run_program("hemorrhage_import_embeddings", source, "--config", config, "--work", work, *more)


def store_of(work: Path, fold: str = "1", epoch: int = 0) -> Path:
    return store_folder(work, DATA_SET, EXPERIMENT, fold, epoch)
