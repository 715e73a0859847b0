"""Prepare a data set: DICOM to windowed images and one table of slices.

In: the competition's archive (a zip or a folder), or any folder of DICOM files.
Out: data/<data set>/slices.parquet, images/, rejected.csv.
"""

from __future__ import annotations

from functools import partial

import pandas as pd

from hounsfield.competitions.rsna2019.paths import data_folder, images_folder, sample_submission_path, slices_path
from hounsfield.competitions.rsna2019.preparation import prepare_file
from hounsfield.competitions.rsna2019.source import Source, find_source
from hounsfield.competitions.rsna2019.tables import (
    FILE_SCHEMA,
    add_labels_and_folds,
    files_to_order,
    log_slices,
    order_slices,
    slice_table,
    spacing_facts,
)
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.prepare_files import check_usable, prepare_files, write_rejected
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, check_name, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.files import locked, read_json, write_bytes, write_json
from hounsfield.core.storage.tables import write_arrow
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

# files that are no CT slices at all: expected in a folder of one's own, and no sign of damage
NOT_CT_SLICES = {"not_dicom", "no_file_meta", "modality", "localizer", "empty_file"}


def main() -> None:
    """Prepare what is not prepared yet, then write the tables."""
    set_up_logging()
    parser = stage_parser(
        HemorrhageConfig, "DICOM to windowed images and a table of slices", default_config=DEFAULT_CONFIG
    )
    parser.add_argument("--archive", type=str, default=None, help="competition archive: a zip or the unpacked folder")
    parser.add_argument("--images", type=str, default=None, help="folder of your own DICOM files, any depth")
    parser.add_argument("--labels", type=str, default=None, help="CSV with labels for --images")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    arguments, work, data_set = command.arguments, command.work, check_name(command.config.data_set, "data_set")
    folder, images, table = data_folder(work, data_set), images_folder(work, data_set), slices_path(work, data_set)
    watch = Stopwatch()
    with locked(folder):
        source = find_source(
            work, data_set, archive=arguments.archive, images=arguments.images, labels=arguments.labels
        )
        settings = plain(command.config.prepare)
        per_file = {name: settings.pop(name) for name in ("repair_intercept", "jpeg_quality")}
        claim(folder / "parts", Recipe("prepare", per_file, {}), force=command.force)
        digest, finished = {**source.digests(), "settings": settings}, folder / "prepared.json"
        journal = Journal(folder / "parts", FILE_SCHEMA, images, ".jpg")
        missing = journal.unrecorded(source.files)
        if not missing and table.exists() and finished.exists() and read_json(finished) == digest:
            logger.info("prepare: nothing to do, %d files of %s are prepared", len(source.files), data_set)
            return
        finished.unlink(missing_ok=True)
        if missing:
            table.unlink(missing_ok=True)  # later stages must not read an old table over new images
        prepare_files(
            missing,
            partial(prepare_file, images=images, naming=source.naming, **per_file),
            journal,
            jobs=arguments.jobs,
            dask_scheduler=arguments.dask_scheduler,
            label="prepare",
        )
        count = write_tables(source, journal, command)
        write_json(finished, digest)
    summary("prepare", len(missing), "files", watch.seconds, {"slices in the table": count})


def write_tables(source: Source, journal: Journal, command: Command[HemorrhageConfig]) -> int:
    """Write the tables of refused files and of slices; returns the number of slices. Raises BadInput."""
    work, data_set, settings = command.work, command.config.data_set, command.config.prepare
    folder = data_folder(work, data_set)
    rows, refusals = journal.join(source.files)
    files, tilted = files_to_order(rows)
    rejected, listing = pd.concat([refusals.to_pandas(), tilted], ignore_index=True), folder / "rejected.csv"
    write_rejected(listing, rejected)
    check_usable(listing, len(files), rejected, settings.bad_share, option="prepare.bad_share", foreign=NOT_CT_SLICES)
    slices = order_slices(files, settings.order)
    slices = add_labels_and_folds(slices, source.labels, settings.fold_count)
    write_bytes(folder / "spacing.csv", spacing_facts(slices).to_csv(index=False).encode())
    log_slices(slices, source.ignored, folder / "spacing.csv")
    if source.sample is not None:
        write_bytes(sample_submission_path(work, data_set), source.sample)
    write_arrow(slices_path(work, data_set), slice_table(rows, slices))
    return len(slices)


if __name__ == "__main__":
    run(main)
