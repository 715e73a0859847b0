"""Store the slices that show brain in Hounsfield units, and write the stacking system's table of slices.

In: data/<data set>/slices.parquet, and the DICOM files that it was made from.
Out: data/<data set>/hu/, hu_rejected.csv, stacking/<experiment>/slices.parquet.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.competitions.rsna2019.paths import data_folder, raw_archive, slices_path
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.intake.archives import FileList, list_files
from hounsfield.core.intake.executors import run_chunks
from hounsfield.core.intake.journal import Parts, Prepared, refuse_deadly
from hounsfield.core.logs import Stopwatch, logger, progress, set_up_logging, summary
from hounsfield.core.stages.command import Command, check_name, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.files import file_digest, locked, write_bytes
from hounsfield.core.storage.tables import escape_cell, write_table
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.hu_images import BYTES_A_PIXEL, SUFFIX
from hounsfield.stacking.paths import hu_folder, hu_parts_folder, stacking_slices_path
from hounsfield.stacking.preparation import HU_FILE_SCHEMA, HuFile, store_chunk
from hounsfield.stacking.tables import PREPARED_COLUMNS, STACKING_SCHEMA, shows_brain, stacking_slices

FILES_A_CHUNK = 64
BLOCK_BYTES = 4096  # a file takes half a block more than its bytes, on average
AS_PREPARED = ["image_id", "hu_mean", "intercept_repaired"]


def main() -> None:
    """Store what is not stored yet, then write the table."""
    set_up_logging()
    parser = stage_parser(
        StackingConfig, "Slices in Hounsfield units, and the table of this system", default_config=DEFAULT_CONFIG
    )
    parser.add_argument("--archive", type=str, default=None, help="competition archive: a zip or the unpacked folder")
    parser.add_argument("--images", type=str, default=None, help="the folder of your own DICOM files that was prepared")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one for each core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    command = parse(parser, StackingConfig, default_config=DEFAULT_CONFIG)
    config, watch = command.config, Stopwatch()
    check_name(config.data_set, "data_set")
    prepared, table = slices_path(command.work, config.data_set), stacking_table(command)
    columns = ("path", "rows", "columns", "hu_mean", "intercept_repaired", *PREPARED_COLUMNS)
    slices = read_slices(command.work, config.data_set, columns)
    settings = plain(config.data)
    bad_share = settings.pop("bad_share")
    with locked(hu_folder(command.work, config.data_set)):
        claim(table.parent, Recipe("stacking_data", settings, {"slices": file_digest(prepared)}), force=command.force)
        wanted = slices[shows_brain(slices, config.data)].set_index("path")
        files = find_files(wanted, source_of(command), prepared)
        parts = Parts(hu_parts_folder(command.work, config.data_set), HU_FILE_SCHEMA, SUFFIX)
        todo = unfinished(files, parts, wanted, hu_folder(command.work, config.data_set))
        count = sum(map(len, todo))
        if not count and table.exists():
            logger.info("stacking data: nothing to do, %d slices of %s are stored", len(files), config.data_set)
            return
        table.unlink(missing_ok=True)  # later stages must not read an old table over new images
        if count:
            check_space(wanted, count, hu_folder(command.work, config.data_set))
            store(todo, parts, wanted, command)
        checksums = stored(files, parts, command, bad_share)
        slices = stacking_slices(slices, checksums, config.data)
        write_table(table, slices, STACKING_SCHEMA)
    report(slices)
    summary("stacking data", count, "slices", watch.seconds, {"slices in the table": len(slices)})


def stacking_table(command: Command[StackingConfig]) -> Path:
    """The table that this run writes."""
    return stacking_slices_path(command.work, command.config.data_set, command.experiment)


def source_of(command: Command[StackingConfig]) -> Path:
    """The archive or the folder that the command line names, as for preparation."""
    arguments = command.arguments
    if arguments.archive is not None and arguments.images is not None:
        raise WrongUse("--archive and --images name two sources; give the one that was prepared")
    given = arguments.archive or arguments.images
    return Path(given or raw_archive(command.work, command.config.data_set)).absolute()


def find_files(wanted: pd.DataFrame, source: Path, prepared: Path) -> FileList:
    """The file of every slice in `wanted`, whose index is their paths. Raises MissingInput, naming those not there."""
    listing = list_files(source)
    places = pc.index_in(pa.array(wanted.index, pa.string()), value_set=listing.labels)
    absent = wanted.index[places.is_null().to_numpy(zero_copy_only=False)]
    if len(absent):
        raise MissingInput(
            f"{source}: {len(absent)} of the {len(wanted)} files that {prepared} needs are not there; the first are "
            f"{list(absent[:10])}. Name what was prepared, with --archive or --images"
        )
    return listing.take(places.to_numpy())


def unfinished(files: FileList, parts: Parts, wanted: pd.DataFrame, images: Path) -> list[FileList]:
    """Files whose image is not stored yet, and files that were prepared otherwise when it was."""
    rows, _ = parts.join(files)
    then = rows.to_pandas().set_index("path")[AS_PREPARED]
    now = wanted.loc[then.index, AS_PREPARED].astype(then.dtypes)
    outdated = pa.array(then.index[(then != now).any(axis=1)], pa.string())
    missing = parts.missing(files, images)
    again = pc.and_not(pc.is_in(files.labels, outdated), pc.is_in(files.labels, missing.labels))
    return [missing, files.take(again.to_numpy(zero_copy_only=False))]


def check_space(wanted: pd.DataFrame, count: int, folder: Path) -> None:
    """Say what disk the images will need and what is free. Raises BadInput when it does not fit."""
    pixels = (wanted["rows"].to_numpy("int64") * wanted["columns"].to_numpy("int64")).mean()
    needed = count * (pixels * BYTES_A_PIXEL + BLOCK_BYTES / 2) / 1e9
    free = shutil.disk_usage(folder).free / 1e9
    logger.info("stacking data: %d images to store, about %.2f GB; %.2f GB are free in %s", count, needed, free, folder)
    if needed > free:
        raise BadInput(
            f"{folder}: {count} images need about {needed:.2f} GB, and {free:.2f} GB are free; make room, or use a "
            "work folder on another disk (--work)"
        )


def store(todo: list[FileList], parts: Parts, wanted: pd.DataFrame, command: Command[StackingConfig]) -> None:
    """Store the images of some files in chunks, over processes or a cluster."""
    results = run_chunks(
        partial(store_chunk, folder=str(hu_folder(command.work, command.config.data_set))),
        chain.from_iterable(chunks(files, wanted) for files in todo),
        refuse_file,
        jobs=command.arguments.jobs,
        dask_scheduler=command.arguments.dask_scheduler,
    )
    total = sum(-(-len(files) // FILES_A_CHUNK) for files in todo)
    for result in progress(results, total=total, unit="chunk", label="store"):
        parts.add(result)


def chunks(files: FileList, wanted: pd.DataFrame) -> Iterator[list[HuFile]]:
    """The files with what the table of slices says of them, 64 at a time."""
    for block in files.blocks(FILES_A_CHUNK):
        facts = wanted.loc[[file.label for file in block], AS_PREPARED]
        yield [HuFile(file, *fact) for file, fact in zip(block, facts.itertuples(index=False), strict=True)]


def refuse_file(file: HuFile) -> Prepared:
    """The result for a file whose decoding ended the process or took longer than the limit."""
    return refuse_deadly(file.file)


def stored(files: FileList, parts: Parts, command: Command[StackingConfig], bad_share: float) -> pd.Series:
    """The checksum of every stored image by image identifier. Raises BadInput when too many could not be stored."""
    rows, rejected = (table.to_pandas() for table in parts.join(files))
    listing = data_folder(command.work, command.config.data_set) / "hu_rejected.csv"
    listed = rejected[["path", "reason", "message"]].assign(path=rejected["path"].map(escape_cell))
    write_bytes(listing, listed.to_csv(index=False).encode())
    for reason, count in rejected["reason"].value_counts().items():
        logger.warning("refused %d: %s (see %s)", count, reason, listing)
    if len(rejected) > bad_share * len(files):
        raise BadInput(
            f"{len(rejected)} of {len(files)} slices could not be stored, more than data.bad_share ({bad_share:.0%}); "
            f"{listing} says why"
        )
    return rows.set_index("image_id")["hu_crc32"]


def report(slices: pd.DataFrame) -> None:
    """Say what the networks will see, and what each fold holds."""
    has_image = slices["hu_crc32"].notna()
    train = slices["split"] == "train"
    logger.info(
        "%d of %d labelled and %d of %d test slices have an image",
        (has_image & train).sum(), train.sum(), (has_image & ~train).sum(), (~train).sum(),
    )  # fmt: skip
    for fold, rows in slices[train & has_image].groupby("fold"):
        logger.info(
            "fold %d: %d slices of %d patients, %d with any bleed",
            fold, len(rows), rows["patient_id"].nunique(), rows["any"].sum(),
        )  # fmt: skip


if __name__ == "__main__":
    run(main)
