"""One experiment's embeddings of one data set as a portable archive: all that stages 14 and 15 need, and no image.

In the archive: CHECKSUMS.json, <experiment>.yaml, slices.parquet with its record, sample_submission.csv (where there is
one), and the stores with their records and ledgers as fold<k>/epoch<e>/*. All files keep their bytes; so the column
`path` of slices.parquet travels along, with whatever a person's own files were called. Only where the data set was
prepared from is left out of its record.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.core.errors import BadInput, HounsfieldError, StaleOutput, WrongUse
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import check_name
from hounsfield.core.stages.outputs import RECORD, read_record, record_digest
from hounsfield.core.stages.upstream import Upstream, replacing
from hounsfield.core.storage.files import file_digest, locked, write_json
from hounsfield.core.storage.packed_folder import Contents, Listed, pack, read_contents, unpack
from hounsfield.hemorrhage.archive_checks import (
    SAMPLE,
    STORE,
    STORE_FILE,
    Subject,
    check_store,
    image_ids,
    read_foreign_record,
)
from hounsfield.hemorrhage.paths import embeddings_folder

FORMAT, VERSION = "hounsfield hemorrhage embeddings", 2


def archive_path(subject: Subject) -> Path:
    """Where the export puts its archive when no other place is named."""
    folder = embeddings_folder(subject.work, subject.data_set, subject.experiment)
    return folder.with_name(f"{subject.experiment}.tar")


def export_embeddings(
    subject: Subject,
    data: Upstream,
    stores: Mapping[str, Upstream],
    scratch: Path,
    target: Path,
    *,
    force: bool,
    remedy: str,
) -> Contents:
    """Pack finished stores (fold<k>/epoch<e> -> embeddings) into `target`. Returns what is in it.

    scratch: a folder with the resolved configuration, into which the data set's record is written as it is packed.
    Raises StaleOutput when `target` holds something else (and not `force`), BadInput when a store is damaged.
    """
    write_json(scratch / RECORD, {**data.record, "facts": {"drawn": bool(data.record["facts"].get("drawn"))}})
    config = subject.config.name
    files = {config: scratch / config, SLICES: data.file(SLICES), RECORD: scratch / RECORD}
    if subject.place(SAMPLE).exists():
        files[SAMPLE] = subject.place(SAMPLE)
    listed = {name: Listed(file_digest(path), path.stat().st_size) for name, path in files.items()}
    images = image_ids(files[SLICES])
    for store, made in stores.items():
        own = {
            f"{store}/{name}": Listed(entry["sha256"], entry["bytes"]) for name, entry in made.record["files"].items()
        }
        path = made.folder / RECORD
        own[f"{store}/{RECORD}"] = Listed(file_digest(path), path.stat().st_size)
        check_store(subject, store, made.folder, {**listed, **own}, images, data.record)
        listed |= own
        files |= {name: made.folder / name.removeprefix(f"{store}/") for name in own}
    facts = {"format": FORMAT, "version": VERSION, "experiment": subject.experiment, "data_set": subject.data_set}
    facts["data_set_record"] = record_digest(data.record)
    contents = Contents(facts, listed)
    if not _is_packed(target, contents, force=force, remedy=remedy):
        pack(target, files, contents)
    return contents


def import_embeddings(archive: Path, work: Path, *, force: bool, remedy: str) -> tuple[Subject, list[str]]:
    """Unpack an archive into the work folder, all of it or nothing. Returns whose it is, and its folds.

    Every file is held against its checksum, and every store against its record and slices.parquet. What is there
    already and the same is left; raises StaleOutput when something there differs, unless `force`: then the data set's
    slices and all embeddings of the experiment are replaced. Raises BadInput naming the member that is wrong.
    """
    contents = read_contents(archive)
    subject = _subject(archive, contents, work)
    folds = list(dict.fromkeys(STORE.fullmatch(store)[1] for store in _stores(contents)))  # type: ignore[index]
    folder = subject.folder
    with locked(folder), replacing(work, folder, what=f"the data set {subject.data_set}"):
        unpacked = folder / f".import-{subject.experiment}"
        shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was killed
        different, missing = _compare(subject, contents)
        if not different and not missing:
            logger.info("import: nothing to do, %s is unpacked in %s", archive, folder)
            return subject, folds
        if different and not force:
            raise StaleOutput(
                f"{folder} holds other content than {archive}: {', '.join(different[:10])}. Replace it: {remedy} "
                "--force\nOr import into another folder with WORK=FOLDER"
            )
        try:
            contents = unpack(archive, unpacked)
            _check_unpacked(subject, archive, unpacked, contents)
            if different:
                _make_room(subject, replace_slices=not {SLICES, RECORD}.isdisjoint(different))
            _move_in(subject, unpacked, contents)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
    return subject, folds


def _is_packed(target: Path, contents: Contents, *, force: bool, remedy: str) -> bool:
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
        raise StaleOutput(f"{target} holds something else. Replace it: {remedy} --force\nOr name another --output")
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
    whole = {subject.config.name, SLICES, RECORD}
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

    A store is one thing: where its folder is here, a file that it lacks is a difference. Of the data set's record only
    what it is counts, and not where it was prepared from.
    """
    different: list[str] = []
    missing: list[str] = []
    for name, listed in contents.files.items():
        path = subject.place(name)
        if not path.exists():
            (different if STORE_FILE.fullmatch(name) and path.parent.exists() else missing).append(name)
        elif name == RECORD:
            here = read_record(path.parent)
            same = here is not None and record_digest(here) == contents.facts.get("data_set_record")
            different += [] if same else [name]
        elif path.stat().st_size != listed.bytes or file_digest(path) != listed.sha256:
            different.append(name)
    return different, missing


def _check_unpacked(subject: Subject, archive: Path, unpacked: Path, contents: Contents) -> None:
    """Hold what was unpacked against each other. Raises BadInput naming the member."""
    try:
        images = image_ids(unpacked / SLICES)
        record = read_foreign_record(unpacked)
        known = record_digest(record) == contents.facts.get("data_set_record")
        if not known or record["files"].get(SLICES, {}).get("sha256") != contents.files[SLICES].sha256:
            raise BadInput(f"{unpacked / RECORD} is not the record of {SLICES}")
        if not isinstance(record["settings"].get("fold_count"), int):
            raise BadInput(f"{unpacked / RECORD} does not say how many folds there are")
        for store in _stores(contents):
            check_store(subject, store, unpacked / store, contents.files, images, record)
    except HounsfieldError as error:
        raise BadInput(str(error).replace(f"{unpacked}/", f"{archive}: ")) from error


def _make_room(subject: Subject, *, replace_slices: bool) -> None:
    """Remove what --force replaces."""
    shutil.rmtree(embeddings_folder(subject.work, subject.data_set, subject.experiment), ignore_errors=True)
    if replace_slices:
        for name in (RECORD, SAMPLE, SLICES):
            subject.place(name).unlink(missing_ok=True)


def _move_in(subject: Subject, unpacked: Path, contents: Contents) -> None:
    """Rename what was unpacked to where it belongs: single files and whole stores; the configuration last."""
    for name in (SLICES, SAMPLE, RECORD, *_stores(contents), subject.config.name):
        target = subject.place(name)
        kept = target.is_dir() or (name == RECORD and target.exists())  # what is there is the same
        if (unpacked / name).exists() and not kept:
            target.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / name).replace(target)
