"""Pack embeddings into a portable archive, unpack such an archive, or read the layout published in 2019.

export            In:  data/<data set>/slices.parquet, sample_submission.csv, embeddings/<experiment>/
                  Out: data/<data set>/embeddings/<experiment>.tar, or --output
import            In:  that archive: a file, or with --download an address (which is kept in data/raw/downloads/)
                  Out: what export reads, and embeddings/<experiment>/<experiment>.yaml, whose path is printed
import-published  In:  a folder or tar.gz with emb*.npz, and the four tables
                  Out: data/<data set>/slices.parquet, embeddings/<experiment>/
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from hounsfield.competitions.rsna2019.paths import data_folder
from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import NAME, REPOSITORY, check_name, parse, run, save_config, stage_parser
from hounsfield.core.storage.downloads import download
from hounsfield.core.storage.files import locked, value_digest
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.embedding_archive import Subject, archive_path, export_embeddings, import_embeddings
from hounsfield.hemorrhage.folds import check_folds
from hounsfield.hemorrhage.published_2019.layout import find_layout, find_table, opened_layout, plan_stores
from hounsfield.hemorrhage.published_2019.stores import write_published_slices, write_published_store
from hounsfield.hemorrhage.published_2019.tables import TABLE_NAMES, PublishedTables, published_slices

PROGRAM = "hemorrhage_embedding_archive.py"
TABLE_OPTIONS = ("train_metadata", "test_metadata", "train_table", "test_table")  # in the order of TABLE_NAMES


def main() -> None:
    """Do what the first argument says."""
    set_up_logging()
    programs = {"export": export_archive, "import": import_archive, "import-published": import_published}
    chosen, arguments = sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:]
    if chosen in ("-h", "--help"):
        print(f"{__doc__}\nTo see the options: {PROGRAM} {{{','.join(programs)}}} --help")
        return
    if chosen not in programs:
        raise WrongUse(f"{chosen or 'nothing'}: say what to do: {PROGRAM} {{{','.join(programs)}}} ...")
    programs[chosen](arguments)


def export_archive(argv: Sequence[str]) -> None:
    """Pack one experiment's embeddings of one data set."""
    parser = stage_parser(HemorrhageConfig, "Pack embeddings into one archive", default_config=DEFAULT_CONFIG)
    parser.prog = f"{PROGRAM} export"
    parser.add_argument("--output", type=str, default=None, help="the archive (default: beside the embeddings)")
    parser.add_argument("--fold", nargs="+", default=None, help="folds to pack (default: all that are finished)")
    parser.add_argument("--apply-to", type=str, default=None, help="another data set that was embedded")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG, argv=argv)
    arguments, config, watch = command.arguments, command.config, Stopwatch()
    folds = None if arguments.fold is None else check_folds(arguments.fold, config)
    data_set = check_name(arguments.apply_to or config.data_set, "data_set")
    subject = Subject(command.work, command.experiment, data_set)
    target = Path(arguments.output) if arguments.output else archive_path(subject)
    with tempfile.TemporaryDirectory() as scratch:
        resolved = Path(scratch) / subject.config.name
        # where the weights lay is nobody else's concern
        save_config(resolved, replace(config, classifier=replace(config.classifier, weights=None)))
        epochs = extracted_epochs(config)
        contents = export_embeddings(subject, resolved, target, folds=folds, epochs=epochs, force=command.force)
    summary(f"export to {target}", len(contents.files), "files", watch.seconds)


def import_archive(argv: Sequence[str]) -> None:
    """Unpack an archive and print the path of the configuration that came with it, and nothing else, on stdout."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} import", description="Unpack embeddings that export packed")
    parser.add_argument("archive", help="a file, or with --download an http(s) address")
    parser.add_argument("--work", default=str(REPOSITORY), help="folder that holds data, checkpoints and preds")
    parser.add_argument("--force", action="store_true", help="replace other slices or embeddings that are there")
    parser.add_argument("--download", action="store_true", help="allow the archive to be an address")
    parser.add_argument("--sha256", default=None, help="what the archive's SHA-256 must be, when it is downloaded")
    arguments, watch = parser.parse_args(argv), Stopwatch()
    work = Path(arguments.work).resolve()
    archive = Path(arguments.archive)
    if arguments.archive.startswith(("http://", "https://")):
        if not arguments.download:
            raise WrongUse(f"{arguments.archive.partition('?')[0]} is an address; allow the download with --download")
        archive = download(arguments.archive, _download_path(work, arguments.archive), sha256=arguments.sha256)
    elif arguments.sha256 is not None:
        raise WrongUse("--sha256 goes with a download; the files of an archive are checked in any case")
    config = import_embeddings(archive, work, force=arguments.force)
    logger.info("import: %s is in place after %.1f s", archive, watch.seconds)
    print(config)


def _download_path(work: Path, address: str) -> Path:
    """Where a download is kept: a folder for each address, a file called like the remote one."""
    name = PurePosixPath(urlsplit(address).path).name
    folder = work / "data" / "raw" / "downloads" / value_digest(address)[:12]
    return folder / (name if NAME.fullmatch(name) else "embeddings.tar")


def import_published(argv: Sequence[str]) -> None:
    """Read the layout published in 2019 into the data set and the experiment that the configuration names."""
    parser = stage_parser(HemorrhageConfig, "Read published embeddings into a store", default_config=DEFAULT_CONFIG)
    parser.prog = f"{PROGRAM} import-published"
    parser.add_argument("source", type=str, help="folder or tar.gz with emb*_fold<k>_ep<e>.npz")
    tables_help = "tables with a column Image, for one fold; without them the pickled loaders are read"
    parser.add_argument("--row-order", nargs=3, default=None, metavar=("TRN", "VAL", "TST"), help=tables_help)
    parser.add_argument("--fold", nargs="+", default=None, help="folds to read (default: all)")
    for option, name in zip(TABLE_OPTIONS, TABLE_NAMES, strict=True):
        parser.add_argument(f"--{option.replace('_', '-')}", type=str, default=None, help=f"instead of {name}")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG, argv=argv)
    arguments, config, watch = command.arguments, command.config, Stopwatch()
    source, folder = Path(arguments.source), data_folder(command.work, check_name(config.data_set, "data_set"))
    if not source.exists():
        raise MissingInput(f"{source} does not exist; name the folder or the tar.gz with the published embeddings")
    row_order = None if arguments.row_order is None else [Path(path) for path in arguments.row_order]
    subject, dtype = Subject(command.work, command.experiment, config.data_set), config.embedding.dtype
    with locked(folder), opened_layout(source, folder / ".published") as opened:
        named = zip(TABLE_OPTIONS, TABLE_NAMES, strict=True)
        tables = [Path(arguments[own]) if arguments[own] else find_table(name, opened, source) for own, name in named]
        slices = published_slices(PublishedTables(*tables), config.prepare)
        stores = plan_stores(find_layout(opened), slices, tables=row_order, folds=arguments.fold)
        write_published_slices(subject, slices, force=command.force)
        for store in stores:
            write_published_store(subject, store, slices["image_id"], dtype, force=command.force)
    wanted = {(store.fold, epoch) for store in stores for epoch in extracted_epochs(config)}
    lacking = sorted(wanted - {(store.fold, store.epoch) for store in stores})
    if lacking:
        logger.warning("the configuration asks for more than was published: %s; set embedding.epochs", lacking)
    summary("import-published", len(stores), "stores", watch.seconds, {"slices": len(slices)})


if __name__ == "__main__":
    run(main)
