"""What preparation starts from: the competition's archive, or a folder of one's own DICOM files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from hounsfield.competitions.rsna2019.labels import read_labels
from hounsfield.core.archives import SourceFile, list_files
from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.hemorrhage.preparation import Naming

TRAIN, TEST = "stage_2_train_images", "stage_2_test_images"
TRAIN_LABELS, SAMPLE = "stage_2_train.csv", "stage_2_sample_submission.csv"


@dataclass(frozen=True)
class Source:
    """The DICOM files, the labels by image identifier (None: there are none), and the sample submission's bytes."""

    files: list[SourceFile]
    labels: pd.DataFrame | None
    sample: bytes | None
    naming: Naming
    ignored: int = 0  # files that are neither images nor tables

    def digests(self) -> dict[str, str]:
        """Change when a file, a label or the sample does."""
        files, labels = hashlib.sha256(), hashlib.sha256(b"")
        for file in self.files:
            files.update(f"{file.label}\0{file.size}\0{file.stamp}\n".encode())
        if self.labels is not None:
            labels.update(pd.util.hash_pandas_object(self.labels).to_numpy().tobytes())
        sample = hashlib.sha256(self.sample or b"")
        return {"files": files.hexdigest(), "labels": labels.hexdigest(), "sample": sample.hexdigest()}


def competition_source(archive: Path) -> Source:
    """The competition's zip, or the folder it was unpacked to; everything may stand below a top folder."""
    listing = list_files(archive)
    images = [f for f in listing if f.name.endswith(".dcm") and PurePosixPath(f.name).parent.name in (TRAIN, TEST)]
    if not images:
        raise BadInput(
            f"{archive}: no {TRAIN}/*.dcm or {TEST}/*.dcm among {len(listing)} files; is it the whole archive?"
        )
    naming = Naming(key=None)
    _refuse_twins(archive, [naming.image_id(file) for file in images])
    labels_file, sample_file = _named(listing, TRAIN_LABELS), _named(listing, SAMPLE)
    labels = None
    train = {naming.image_id(f) for f in images if PurePosixPath(f.name).parent.name == TRAIN}
    if labels_file is None and train:
        raise BadInput(f"{archive}: {len(train)} training images and no {TRAIN_LABELS}; put it beside their folder")
    if labels_file is not None:
        labels = read_labels(_content(labels_file), f"{archive}/{labels_file.name}")
        unlabelled = sorted(train - set(labels.index))
        if unlabelled:
            raise BadInput(
                f"{archive}: {len(unlabelled)} training images without labels; the first are {unlabelled[:10]}"
            )
        labels = labels[labels.index.isin(train)]
    sample = None if sample_file is None else _content(sample_file)
    return Source(images, labels, sample, naming, len(listing) - len(images))


def own_source(images: Path, labels: Path | None, naming: Naming) -> Source:
    """Every file of a folder of any depth; what is not a CT slice is refused later, with a reason."""
    if not images.is_dir():
        raise MissingInput(f"{images} is not a folder; --images takes the folder that holds the DICOM files")
    listing = list_files(images)
    if not listing:
        raise MissingInput(f"{images}: 0 files; --images takes the folder that holds the DICOM files")
    table = None
    if labels is not None:
        if not labels.is_file():
            raise MissingInput(f"{labels} does not exist; --labels takes a CSV table")
        table = _by_image_id(read_labels(labels.read_bytes(), str(labels)), listing, labels, naming)
    return Source(listing, table, None, naming)


def _by_image_id(labels: pd.DataFrame, listing: list[SourceFile], source: Path, naming: Naming) -> pd.DataFrame:
    """Match the table's image names (path, file name or stem) with the files, and index it by image identifier."""
    known: dict[str, str | None] = {}
    for file in listing:
        path = PurePosixPath(file.name)
        for name in {str(path), path.name, path.stem}:
            known[name] = None if name in known else naming.image_id(file)  # None: the name fits several files
    ambiguous = [name for name in labels.index if name in known and known[name] is None]
    if ambiguous:
        raise BadInput(
            f"{source}: {len(ambiguous)} names fit several files, the first are {ambiguous[:10]}; give paths"
        )
    absent = [name for name in labels.index if name not in known]
    if absent:
        raise BadInput(f"{source}: {len(absent)} labelled images are not there; the first are {absent[:10]}")
    matched = labels.set_axis([known[name] for name in labels.index], axis=0)
    twice = labels.index[matched.index.duplicated(keep=False)]
    if len(twice):
        raise BadInput(f"{source}: {len(twice)} rows name the same files in different ways: {list(twice[:10])}")
    return matched


def _refuse_twins(archive: Path, image_ids: list[str]) -> None:
    twins = pd.Series(image_ids)[pd.Series(image_ids).duplicated()].tolist()
    if twins:
        raise BadInput(f"{archive}: {len(twins)} image identifiers occur twice; the first are {twins[:10]}")


def _named(listing: list[SourceFile], name: str) -> SourceFile | None:
    found = [file for file in listing if PurePosixPath(file.name).name == name]
    if len(found) > 1:
        raise BadInput(f"{found[0].container}: {len(found)} files are called {name}; leave one")
    return found[0] if found else None


def _content(file: SourceFile) -> bytes:
    try:
        return file.read()
    except Refused as refusal:
        raise BadInput(f"{file.container}/{file.name}: {refusal.message}") from refusal
