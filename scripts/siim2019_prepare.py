"""Prepare a data set: chest films to grey PNGs, masks and one table of films.

In: the competition's archive (a zip or a folder, of either stage), or any folder of DICOM films.
Out: data/<data set>/films.parquet, films/, masks/, rejected.csv.
"""

from __future__ import annotations

from functools import partial

import pandas as pd

from hounsfield.competitions.siim2019.film_table import film_table, unprepared
from hounsfield.competitions.siim2019.paths import (
    FILMS,
    PREPARE,
    SUFFIX,
    data_folder,
    films_folder,
    sample_submission_path,
)
from hounsfield.competitions.siim2019.preparation import prepare_film
from hounsfield.competitions.siim2019.source import LISTS, Source, default_source, find_source
from hounsfield.competitions.siim2019.tables import FILE_SCHEMA, FILM_SCHEMA, log_films
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.listings import files_may_differ
from hounsfield.core.intake.prepare_files import check_usable, prepare_files, write_rejected
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, Stage, parse, run, stage_parser
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import Input, Provenance, output
from hounsfield.core.stages.upstream import replacing
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.tables import write_table
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig

# files that are no films at all: expected in a folder of one's own, and no sign of damage
NOT_FILMS = {"not_dicom", "no_file_meta", "modality", "localizer", "empty_file", "no_row"}
STAGE = Stage(
    PneumothoraxConfig,
    "chest films to grey images, masks and a table of films",
    DEFAULT_CONFIG,
    role="prepares",
    parts=("data_set", "prepare"),
)
OPTIONS = ("archive", "images", "labels", "folds-table")


def main() -> None:
    """Prepare what is not prepared yet, then draw the masks and write the tables."""
    set_up_logging()
    parser = stage_parser(STAGE)
    parser.add_argument("--archive", nargs="+", default=None, help="competition archive: zips and unpacked folders")
    parser.add_argument("--images", nargs="+", default=None, help="your own films: folders of any depth, zips, files")
    parser.add_argument("--labels", type=str, default=None, help="for --images: CSV of run lengths, or folder of masks")
    parser.add_argument("--folds-table", type=str, default=None, help="published folds: CSV fname,fold,exist_labels")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    command = parse(parser, STAGE)
    work, data_set, watch = command.work, command.data_set, Stopwatch()
    folder, films = data_folder(work, data_set), films_folder(work, data_set)
    given = {name: command.arguments[name.replace("-", "_")] for name in OPTIONS}
    named = {name: value for name, value in given.items() if value is not None}
    if not named.keys() & {"archive", "images"}:
        named = {**default_source(work, data_set), **named}
    source = find_source(work, data_set, named)
    settings = {name: value for name, value in plain(command.config.prepare).items() if name != "bad_share"}
    image_size = command.config.prepare.image_size
    provenance = Provenance(PREPARE, settings, {name: Input(digest) for name, digest in source.digests().items()})

    def journal() -> Journal:
        return Journal(folder / "parts", FILE_SCHEMA, films, SUFFIX, settings={"image_size": image_size})

    claim = output(
        folder,
        provenance,
        force=command.force,
        remedy=command.remedy(f"{PREPARE}.sh", *source.options),
        permits=lambda: files_may_differ(source.files, source.options, LISTS, journal(), folder, command, PREPARE),
        extends=True,
    )
    with replacing(work, folder, what=f"the data set {data_set}"), claim as out:
        recorded = journal()
        missing = source.files.take(unprepared(source, recorded))
        if out.finished and not missing:
            logger.info("prepare: nothing to do, %d files of %s are prepared", len(source.files), data_set)
            return
        out.reopen()  # later stages must not read an old table over new images
        prepare_files(
            missing,
            partial(prepare_film, films=films, patients=source.patients, image_size=image_size),
            recorded,
            facts=pd.DataFrame({"film_id": source.film_ids}, index=source.files.labels.to_pylist()),
            jobs=command.arguments.jobs,
            dask_scheduler=command.arguments.dask_scheduler,
            label="prepare",
        )
        count = write_tables(source, recorded, command)
        recorded.forget_outdated(source.files)
        out.finish([FILMS], facts={"source": source.options, "drawn": source.drawn})
    summary("prepare", len(missing), "files", watch.seconds, {"films in the table": count})


def write_tables(source: Source, journal: Journal, command: Command[PneumothoraxConfig]) -> int:
    """Draw the masks, write the tables of refused files and of films; the number of films. Raises BadInput."""
    work, data_set, settings, arguments = command.work, command.data_set, command.config.prepare, command.arguments
    rows, refusals = journal.join(source.files)
    table = film_table(source, rows.to_pandas(), settings, work, data_set, arguments.jobs, arguments.dask_scheduler)
    listing, rejected = data_folder(work, data_set) / "rejected.csv", pd.concat([refusals.to_pandas(), table.left_out])
    write_rejected(listing, rejected)
    check_usable(listing, len(table.films), rejected, settings.bad_share, option="prepare.bad_share", foreign=NOT_FILMS)
    log_films(table.films, source.ignored)
    if source.sample is not None:
        write_bytes(sample_submission_path(work, data_set), source.sample)
    write_table(data_folder(work, data_set) / FILMS, table.films, FILM_SCHEMA)
    return len(table.films)


if __name__ == "__main__":
    run(main)
