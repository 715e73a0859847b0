"""One experiment's embeddings of one data set as a portable archive: all that stages 14 and 15 need, and no image.

In the archive: CHECKSUMS.json, <experiment>.yaml, slices.parquet, sample_submission.csv (where there is one), and the
stores as fold<k>/epoch<e>/*. All files keep their bytes, because the digests of later stages rest on them; so the
column `path` of slices.parquet travels along, with whatever a person's own files were called.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import data_folder, sample_submission_path, slices_path
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA
from hounsfield.core.errors import BadInput, HounsfieldError, MissingInput, StaleOutput, WrongUse
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import check_name
from hounsfield.core.stages.outputs import RECIPE
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.files import file_digest, locked, read_json
from hounsfield.core.storage.packed_folder import Contents, Listed, pack, read_contents, unpack
from hounsfield.core.storage.tables import read_table
from hounsfield.hemorrhage.config import View
from hounsfield.hemorrhage.paths import EXTRACT, LOGITS, ROWS_SCHEMA, array_path, embeddings_folder

FORMAT, VERSION = "hounsfield hemorrhage embeddings", 1
SLICES, SAMPLE, ROWS, MANIFEST = "slices.parquet", "sample_submission.csv", "rows.parquet", "manifest.json"
STORE = re.compile(r"fold(\d{1,3}|all)/epoch(\d{1,4})")
STORE_FILES = (MANIFEST, RECIPE, ROWS, *(f"{name}.npy" for name in (*get_args(View), LOGITS)))
STORE_FILE = re.compile(rf"({STORE.pattern})/({'|'.join(map(re.escape, STORE_FILES))})")


@dataclass(frozen=True)
class Subject:
    """Whose embeddings of what."""

    work: Path
    experiment: str
    data_set: str

    @property
    def config(self) -> Path:
        """The experiment's configuration as it was exported; written by the import, given to stages 14 and 15."""
        return embeddings_folder(self.work, self.data_set, self.experiment) / f"{self.experiment}.yaml"

    def place(self, name: str) -> Path:
        """Where a file of the archive belongs."""
        if name == SLICES:
            return slices_path(self.work, self.data_set)
        if name == SAMPLE:
            return sample_submission_path(self.work, self.data_set)
        return embeddings_folder(self.work, self.data_set, self.experiment) / name


def archive_path(subject: Subject) -> Path:
    """Where the export puts its archive when no other place is named."""
    folder = embeddings_folder(subject.work, subject.data_set, subject.experiment)
    return folder.with_name(f"{subject.experiment}.tar")


def export_embeddings(
    subject: Subject, config: Path, target: Path, *, folds: Sequence[str] | None, epochs: Sequence[int], force: bool
) -> Contents:
    """Pack the finished stores of `folds`, or of all there are, into `target`. Returns what is in it.

    config: the resolved configuration. epochs: those of the classifier that are wanted.
    Raises MissingInput when there is none, StaleOutput when a store belongs to another slices.parquet or `target` holds
    something else (and not `force`), BadInput when a store is damaged.
    """
    files = {subject.config.name: config, SLICES: subject.place(SLICES)}
    if subject.place(SAMPLE).exists():
        files[SAMPLE] = subject.place(SAMPLE)
    listed = {name: Listed(file_digest(path), path.stat().st_size) for name, path in files.items()}
    images = _image_ids(files[SLICES])
    for store in _finished_stores(subject, folds, epochs):
        own, paths = _list_store(subject, store)
        _check_store(subject, store, subject.place(store), {**listed, **own}, images)
        listed |= own
        files |= paths
    facts = {"format": FORMAT, "version": VERSION, "experiment": subject.experiment, "data_set": subject.data_set}
    contents = Contents(facts, listed)
    if not _is_packed(target, contents, force=force):
        pack(target, files, contents)
    return contents


def import_embeddings(archive: Path, work: Path, *, force: bool) -> Path:
    """Unpack an archive into the work folder, all of it or nothing. Returns the path of the experiment's configuration.

    Every file is held against its checksum, and every store against its manifest and slices.parquet. What is there
    already and the same is left; raises StaleOutput when something there differs, unless `force`: then the data set's
    slices and all embeddings of the experiment are replaced. Raises BadInput naming the member that is wrong.
    """
    contents = read_contents(archive)
    subject = _subject(archive, contents, work)
    folder = data_folder(work, subject.data_set)
    with locked(folder):
        different, missing = _compare(subject, contents)
        if different and not force:
            raise StaleOutput(
                f"{folder} holds other content than {archive}: {', '.join(different[:10])}. Replace it by adding "
                "--force, or name another folder with --work"
            )
        if not different and not missing:
            logger.info("import: nothing to do, %s is unpacked in %s", archive, folder)
            return subject.config
        unpacked = folder / f".import-{subject.experiment}"
        shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was killed
        try:
            contents = unpack(archive, unpacked)
            _check_unpacked(subject, archive, unpacked, contents)
            if different:
                _make_room(subject, replace_slices=SLICES in different)
            _move_in(subject, unpacked, contents)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
    return subject.config


def _finished_stores(subject: Subject, folds: Sequence[str] | None, epochs: Sequence[int]) -> list[str]:
    folder = embeddings_folder(subject.work, subject.data_set, subject.experiment)
    found = sorted(str(path.parent.relative_to(folder)) for path in folder.glob(f"fold*/epoch*/{MANIFEST}"))
    parts = {name: match for name in found if (match := STORE.fullmatch(name)) and (not folds or match[1] in folds)}
    chosen = [name for name, match in parts.items() if int(match[2]) in epochs]
    if not chosen:
        of = f" of folds {', '.join(folds)}" if folds else ""
        raise MissingInput(f"{folder}: no finished embeddings{of}, epochs {list(epochs)}. Make them with: {EXTRACT}")
    for fold in sorted({match[1] for match in parts.values()} | set(folds or ())):
        lacking = [epoch for epoch in epochs if f"fold{fold}/epoch{epoch}" not in chosen]
        if lacking:
            logger.warning("export: fold %s lacks the configuration's epochs %s; they are left out", fold, lacking)
    return chosen


def _list_store(subject: Subject, store: str) -> tuple[dict[str, Listed], dict[str, Path]]:
    """Checksums and paths of a store's files. The large ones are read when they are packed, and checked then."""
    folder = subject.place(store)
    digests = dict(_read_manifest(folder / MANIFEST)["files"])
    for name in (MANIFEST, RECIPE):
        if (folder / name).exists():
            digests[name] = file_digest(folder / name)
    names = {f"{store}/{name}": name for name in sorted(digests)}
    if not all(STORE_FILE.fullmatch(name) and subject.place(name).is_file() for name in names):
        raise BadInput(f"{folder}: files are missing, or {MANIFEST} names strange ones. Repair: {EXTRACT} --force")
    paths = {full: folder / name for full, name in names.items()}
    return {full: Listed(digests[name], paths[full].stat().st_size) for full, name in names.items()}, paths


def _read_manifest(path: Path) -> dict[str, Any]:
    """A store's manifest, with the parts that are relied on below. Raises BadInput when it is none."""
    value = read_json(path)
    if isinstance(value, dict) and isinstance(value.get("files"), dict) and isinstance(value.get("views"), list):
        views = value["views"]
        if views and all(view in get_args(View) for view in views) and isinstance(value.get("width"), int):
            return value
    raise BadInput(f"{path} is no manifest of embeddings")


def _is_packed(target: Path, contents: Contents, *, force: bool) -> bool:
    """True when `target` is this archive already. Raises StaleOutput when it is another file, unless `force`."""
    if not target.exists():
        return False
    try:
        same = read_contents(target) == contents
    except HounsfieldError:
        same = False
    if same and target.stat().st_size > sum(file.bytes for file in contents.files.values()):
        logger.info("export: nothing to do, %s holds these embeddings", target)
        return True
    if not force:
        raise StaleOutput(f"{target} holds something else; replace it by adding --force, or name another --output")
    return False


def _subject(archive: Path, contents: Contents, work: Path) -> Subject:
    """Whose embeddings the archive says it holds. Raises BadInput when it could not be of this kind."""
    facts = contents.facts
    if facts.get("format") != FORMAT or facts.get("version") != VERSION:
        found = f"{str(facts.get('format'))[:40]!r}, version {str(facts.get('version'))[:9]}"
        raise BadInput(f"{archive} holds {found}; this program reads {FORMAT!r}, version {VERSION}")
    try:
        names = [check_name(str(facts.get(key)), key) for key in ("experiment", "data_set")]
    except WrongUse as error:
        raise BadInput(f"{archive}: {error}") from error
    subject = Subject(work, *names)
    whole = {subject.config.name, SLICES}
    strange = [name for name in contents.files if name not in (*whole, SAMPLE) and not STORE_FILE.fullmatch(name)]
    absent = whole - contents.files.keys()
    if strange:
        raise BadInput(f"{archive} holds what does not belong there: {strange[:10]}")
    if absent or not _stores(contents):
        raise BadInput(f"{archive} is incomplete: it lacks {', '.join(sorted(absent)) or 'any store of embeddings'}")
    return subject


def _stores(contents: Contents) -> list[str]:
    """The stores in the archive: fold<k>/epoch<e>."""
    found = (STORE_FILE.fullmatch(name) for name in contents.files)
    return list(dict.fromkeys(match[1] for match in found if match))


def _compare(subject: Subject, contents: Contents) -> tuple[list[str], list[str]]:
    """The files of the archive that are here and differ, and those that are not here.

    A store is one thing: where its folder is here, a file that it lacks is a difference.
    """
    different: list[str] = []
    missing: list[str] = []
    for name, listed in contents.files.items():
        path = subject.place(name)
        if not path.exists():
            (different if STORE_FILE.fullmatch(name) and path.parent.exists() else missing).append(name)
        elif path.stat().st_size != listed.bytes or file_digest(path) != listed.sha256:
            different.append(name)
    return different, missing


def _image_ids(slices: Path) -> np.ndarray:
    return read_table(slices, SLICE_SCHEMA, columns=("image_id",))["image_id"].to_numpy()


def _check_unpacked(subject: Subject, archive: Path, unpacked: Path, contents: Contents) -> None:
    """Hold what was unpacked against each other. Raises BadInput naming the member."""
    try:
        images = _image_ids(unpacked / SLICES)
        for store in _stores(contents):
            _check_store(subject, store, unpacked / store, contents.files, images)
    except HounsfieldError as error:
        raise BadInput(str(error).replace(f"{unpacked}/", f"{archive}: ")) from error


def _check_store(subject: Subject, store: str, folder: Path, listed: dict[str, Listed], images: np.ndarray) -> None:
    """Hold a store against its manifest, the checksums and the table of slices. Raises BadInput or StaleOutput."""
    if f"{store}/{MANIFEST}" not in listed:
        raise BadInput(f"{folder}: {MANIFEST} is missing")
    manifest = _read_manifest(folder / MANIFEST)
    fold, epoch = STORE.fullmatch(store).groups()  # type: ignore[union-attr]
    expected = {"experiment": subject.experiment, "data_set": subject.data_set, "fold": fold, "epoch": int(epoch)}
    expected["rows"] = len(images)
    wrong = [key for key, value in expected.items() if manifest.get(key) != value]
    if wrong:
        raise BadInput(f"{folder / MANIFEST} does not describe this store: {', '.join(wrong)}")
    if manifest.get("slices_sha256") != listed[SLICES].sha256:
        raise StaleOutput(f"{folder} was made from another {SLICES}; make it again with: {EXTRACT} --force")
    own = {name.removeprefix(f"{store}/"): file.sha256 for name, file in listed.items() if name.startswith(f"{store}/")}
    data = {name: digest for name, digest in own.items() if name not in (MANIFEST, RECIPE)}
    if data != manifest["files"] or not {ROWS, *(f"{view}.npy" for view in manifest["views"])} <= data.keys():
        raise BadInput(f"{folder / MANIFEST}: its files are not those of the store")
    for name in (name for name in data if name.endswith(".npy")):
        _check_array(folder / name, manifest, len(images))
    rows = read_table(folder / ROWS, ROWS_SCHEMA)["image_id"].to_numpy()
    if not np.array_equal(rows, images):
        raise BadInput(f"{folder / ROWS}: its rows are not those of {SLICES}")


def _check_array(path: Path, manifest: dict[str, Any], rows: int) -> None:
    array = open_array(path)
    logits = path == array_path(path.parent, LOGITS)
    shape = (rows, len(CLASSES) if logits else manifest["width"])
    dtype = "float32" if logits else manifest.get("dtype")
    if array.shape != shape or array.dtype.name != dtype:
        raise BadInput(f"{path}: {array.dtype} {array.shape}, expected {dtype} {shape}")


def _make_room(subject: Subject, *, replace_slices: bool) -> None:
    """Remove what --force replaces."""
    shutil.rmtree(embeddings_folder(subject.work, subject.data_set, subject.experiment), ignore_errors=True)
    if replace_slices:
        folder = data_folder(subject.work, subject.data_set)
        (folder / "prepared.json").unlink(missing_ok=True)  # the table is no longer the one that preparation wrote
        for name in (SAMPLE, SLICES):
            subject.place(name).unlink(missing_ok=True)


def _move_in(subject: Subject, unpacked: Path, contents: Contents) -> None:
    """Rename what was unpacked to where it belongs: single files and whole stores; the configuration last."""
    for name in (SLICES, SAMPLE, *_stores(contents), subject.config.name):
        target = subject.place(name)
        if (unpacked / name).exists() and not target.is_dir():  # a store that is there is the same one
            target.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / name).replace(target)
