"""Embeddings from elsewhere: an archive, the address of one, or the layout published in 2019 (stage 31)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.logs import Stopwatch, summary
from hounsfield.core.stages.command import NAME, shown
from hounsfield.core.stages.configuration import save_config
from hounsfield.core.stages.upstream import reading
from hounsfield.core.storage.downloads import download
from hounsfield.core.storage.files import locked, value_digest
from hounsfield.core.storage.packed_folder import is_packed
from hounsfield.hemorrhage.archive_checks import Subject
from hounsfield.hemorrhage.config import HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.embedding_archive import import_embeddings
from hounsfield.hemorrhage.paths import IMPORT
from hounsfield.hemorrhage.published_2019.layout import (
    PublishedStore,
    find_layout,
    find_table,
    opened_layout,
    plan_stores,
)
from hounsfield.hemorrhage.published_2019.stores import write_published_slices, write_published_store
from hounsfield.hemorrhage.published_2019.table_names import TABLE_NAMES, TABLE_OPTIONS
from hounsfield.hemorrhage.published_2019.tables import PublishedTables, published_slices
from hounsfield.hemorrhage.remedies import HemorrhageCommand


def take_embeddings(command: HemorrhageCommand) -> None:
    """Take what is not here yet, and print which configuration and folds it is."""
    archive = find_archive(command)
    if archive.is_file() and is_packed(archive):
        remedy = command.remedy(f"{IMPORT}.sh", str(archive))
        subject, there = import_embeddings(archive, command.work, force=command.force, remedy=remedy)
    else:
        subject, there = import_published(command, archive)
    wanted = command.arguments.fold or there
    absent = [fold for fold in wanted if fold not in there]
    if absent:
        raise MissingInput(
            f"{archive}: no embeddings of fold {', '.join(absent)}; there are those of {', '.join(there)}"
        )
    print(shown(subject.config))
    print(" ".join(wanted))


def find_archive(command: HemorrhageCommand) -> Path:
    """The file or folder, after downloading it where an address is given."""
    given, sha256 = command.arguments.archive, command.arguments.sha256
    if given is None:
        raise WrongUse(f"which archive? {command.remedy(f'{IMPORT}.sh')} ARCHIVE")
    if given.startswith(("http://", "https://")):
        name = PurePosixPath(urlsplit(given).path).name
        folder = command.work / "data" / "raw" / "downloads" / value_digest(given)[:12]
        return download(given, folder / (name if NAME.fullmatch(name) else "embeddings.tar"), sha256=sha256)
    if sha256 is not None:
        raise WrongUse("--sha256 goes with a download; the files of an archive are checked in any case")
    if not Path(given).exists():
        raise MissingInput(
            f"{given} is missing; name an archive that run_16 wrote, its address, or published embeddings"
        )
    return Path(given)


def import_published(command: HemorrhageCommand, source: Path) -> tuple[Subject, list[str]]:
    """Read the layout published in 2019 into the data set and the experiment that the configuration names."""
    arguments, config, watch = command.arguments, command.config, Stopwatch()
    subject = Subject(command.work, command.experiment, config.data_set)
    row_order = None if arguments.row_order is None else [Path(path) for path in arguments.row_order]
    remedy = command.remedy(f"{IMPORT}.sh", str(source.absolute()))
    scratch = command.work / "data" / "raw" / "published" / command.experiment
    with locked(scratch), opened_layout(source, scratch / "unpacked") as opened:
        named = zip(TABLE_OPTIONS, TABLE_NAMES, strict=True)
        paths = [Path(arguments[own]) if arguments[own] else find_table(name, opened, source) for own, name in named]
        tables = PublishedTables(*paths)
        slices = published_slices(tables, config.prepare)
        stores = plan_stores(find_layout(opened), slices, tables=row_order, folds=arguments.fold)
        data = write_published_slices(
            subject, tables, slices, config.prepare, source, force=command.force, remedy=remedy
        )
        with reading(data.folder):
            for store in stores:
                dtype = config.embedding.dtype
                write_published_store(subject, data, store, slices, dtype, force=command.force, remedy=remedy)
    save_config(subject.config, with_published_epochs(config, stores))
    summary("import of the published layout", len(stores), "stores", watch.seconds, {"slices": len(slices)})
    return subject, list(dict.fromkeys(store.fold for store in stores))


def with_published_epochs(config: HemorrhageConfig, stores: list[PublishedStore]) -> HemorrhageConfig:
    """The configuration, with those of its epochs that were published for every fold, or, without any, these."""
    by_fold = [{one.epoch for one in stores if one.fold == fold} for fold in {one.fold for one in stores}]
    published = set.intersection(*by_fold)
    epochs = [epoch for epoch in extracted_epochs(config) if epoch in published] or sorted(published)
    return replace(config, embedding=replace(config.embedding, epochs=tuple(epochs)))
