"""Store the slices that show brain in Hounsfield units, and write the stacking system's table of slices.

In: data/<data set>/slices.parquet, and the DICOM files that it was made from.
Out: data/<data set>/hu/, hu_rejected.csv, stacking/<experiment>/slices.parquet.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from hounsfield.competitions.rsna2019.paths import data_folder, raw_archive, slices_path
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import WrongUse
from hounsfield.core.intake.prepare_files import check_usable, prepare_files, write_rejected
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, check_name, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.files import file_digest, locked
from hounsfield.core.storage.tables import write_table
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.paths import hu_folder, hu_parts_folder, stacking_slices_path
from hounsfield.stacking.preparation import (
    AS_PREPARED,
    check_space,
    files_to_store,
    find_files,
    open_journal,
    store_file,
)
from hounsfield.stacking.tables import PREPARED_COLUMNS, STACKING_SCHEMA, shows_brain, stacking_slices

COLUMNS = ("path", "rows", "columns", "hu_mean", "intercept_repaired", *PREPARED_COLUMNS)


def main() -> None:
    """Store what is not stored yet, then write the table."""
    set_up_logging()
    parser = stage_parser(
        StackingConfig, "Slices in Hounsfield units, and the table of this system", default_config=DEFAULT_CONFIG
    )
    parser.add_argument("--archive", type=str, default=None, help="competition archive: a zip or the unpacked folder")
    parser.add_argument("--images", type=str, default=None, help="the folder of your own DICOM files that was prepared")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    command = parse(parser, StackingConfig, default_config=DEFAULT_CONFIG)
    work, data_set = command.work, check_name(command.config.data_set, "data_set")
    images, prepared = hu_folder(work, data_set), slices_path(work, data_set)
    table = stacking_slices_path(work, data_set, command.experiment)
    listing = data_folder(work, data_set) / "hu_rejected.csv"
    slices = read_slices(work, data_set, COLUMNS)
    settings = plain(command.config.data)
    bad_share = settings.pop("bad_share")
    watch = Stopwatch()
    with locked(images):
        claim(table.parent, Recipe("stacking_data", settings, {"slices": file_digest(prepared)}), force=command.force)
        wanted = slices[shows_brain(slices, command.config.data)].set_index("path")
        files = find_files(wanted, source_of(command), prepared)
        journal = open_journal(hu_parts_folder(work, data_set), images)
        todo = files_to_store(files, journal, wanted)
        if not todo and table.exists():
            logger.info("stacking data: nothing to do, %d slices of %s are stored", len(files), data_set)
            return
        table.unlink(missing_ok=True)  # later stages must not read an old table over new images
        if todo:
            check_space(len(todo), wanted, images)
        prepare_files(
            todo,
            partial(store_file, folder=images),
            journal,
            facts=wanted[AS_PREPARED],
            jobs=command.arguments.jobs,
            dask_scheduler=command.arguments.dask_scheduler,
            label="store",
        )
        stored, rejected = (part.to_pandas() for part in journal.join(files))
        write_rejected(listing, rejected)
        check_usable(listing, len(stored), rejected, bad_share, option="data.bad_share")
        checksums = stored.set_index("image_id")["hu_crc32"]
        slices = stacking_slices(slices, checksums, command.config.data)
        write_table(table, slices, STACKING_SCHEMA)
    log_slices(slices)
    summary("stacking data", len(todo), "slices", watch.seconds, {"slices in the table": len(slices)})


def source_of(command: Command[StackingConfig]) -> Path:
    """The archive or the folder that the command line names, as for preparation."""
    archive, images = command.arguments.archive, command.arguments.images
    if archive is not None and images is not None:
        raise WrongUse("--archive and --images name two sources; give the one that was prepared")
    return Path(archive or images or raw_archive(command.work, command.config.data_set)).absolute()


def log_slices(slices: pd.DataFrame) -> None:
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
