"""Chest films to grey images, masks and one table of films (stage 61)."""

from __future__ import annotations

from functools import partial

import pandas as pd

from hounsfield.competitions.siim2019.config import check_prepare
from hounsfield.competitions.siim2019.film_table import film_table, unprepared
from hounsfield.competitions.siim2019.paths import (
    FILMS,
    PREPARE,
    SUFFIX,
    data_folder,
    films_folder,
)
from hounsfield.competitions.siim2019.preparation import prepare_film
from hounsfield.competitions.siim2019.source import LISTS, Source, default_source, find_source
from hounsfield.competitions.siim2019.tables import FILE_SCHEMA, FILM_SCHEMA, log_films
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.prepare_files import already_prepared, check_usable, prepare_files, write_rejected
from hounsfield.core.intake.preparing import preparing
from hounsfield.core.logs import Stopwatch, summary
from hounsfield.core.stages.configuration import plain
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.tables import write_table
from hounsfield.pneumothorax.remedies import PneumothoraxCommand

# files that are no films at all: expected in a folder of one's own, and no sign of damage
NOT_FILMS = {"not_dicom", "no_file_meta", "modality", "dicomdir", "localizer", "empty_file", "no_row"}
OPTIONS = ("archive", "images", "labels", "folds-table")


def prepare(command: PneumothoraxCommand) -> None:
    """Prepare what is not prepared yet, then draw the masks and write the tables."""
    check_prepare(command.config.prepare)
    work, data_set, watch = command.work, command.data_set, Stopwatch()
    folder, films = data_folder(work, data_set), films_folder(work, data_set)
    named = {name: value for name in OPTIONS if (value := command.arguments[name.replace("-", "_")]) is not None}
    if not named.keys() & {"archive", "images"}:
        named = {**default_source(work, data_set), **named}
    source = find_source(work, data_set, named)
    settings = plain(command.config.prepare, "bad_share")
    image_size = command.config.prepare.image_size

    def journal() -> Journal:
        return Journal(folder / "parts", FILE_SCHEMA, films, SUFFIX, settings={"image_size": image_size})

    with preparing(command, PREPARE, source, settings, LISTS, journal) as out:
        recorded = journal()
        missing = source.files.take(unprepared(source, recorded))
        if already_prepared(out, source.files, missing):
            return
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


def write_tables(source: Source, journal: Journal, command: PneumothoraxCommand) -> int:
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
