"""CT series to volumes of Hounsfield units, and the tables of studies and slices (stage 51)."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.competitions.rsna2022 import joining
from hounsfield.competitions.rsna2022.paths import (
    PREPARE,
    SLICES,
    STUDIES,
    data_folder,
    volume_path,
)
from hounsfield.competitions.rsna2022.preparation import SUFFIX, prepare_slice
from hounsfield.competitions.rsna2022.reason_codes import NO_DAMAGE
from hounsfield.competitions.rsna2022.source import LISTS, Source, default_source, find_source
from hounsfield.competitions.rsna2022.stacks import volume_slices
from hounsfield.competitions.rsna2022.study_table import (
    StudyTables,
    labelled_studies,
    log_studies,
    segmented,
    unmatched,
)
from hounsfield.competitions.rsna2022.tables import FILE_SCHEMA, SLICE_SCHEMA, STUDY_SCHEMA
from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.prepare_files import already_prepared, check_usable, prepare_files, write_rejected
from hounsfield.core.intake.preparing import preparing
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import UNFINISHED, Output
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.tables import read_table, write_table
from hounsfield.core.storage.volumes import volume_whole
from hounsfield.spine.remedies import SpineCommand

OPTIONS = ("archive", "images", "labels", "segmentations", "folds-table")
UNMATCHED = "labels_unmatched.csv"


def prepare(command: SpineCommand) -> None:
    """Prepare what is not prepared yet, join each study's slices, then write the tables."""
    work, data_set, watch, config = command.work, command.data_set, Stopwatch(), command.config.prepare
    folder = data_folder(work, data_set)
    named = {name: value for name in OPTIONS if (value := command.arguments[name.replace("-", "_")]) is not None}
    if not named.keys() & {"archive", "images"}:
        named = {**default_source(work, data_set), **named}
    source = find_source(work, data_set, named, fold_count=config.fold_count, any_overall=config.any_overall)
    settings = plain(config, "bad_share")

    def journal() -> Journal:
        return Journal(folder / "parts", FILE_SCHEMA, folder / UNFINISHED / "slices", SUFFIX)

    with preparing(command, PREPARE, source, settings, LISTS, journal) as out:
        recorded = journal()
        todo = recorded.unrecorded(source.files, images=False)
        if already_prepared(out, source.files, todo if volumes_whole(out, command) else source.files):
            return
        tables, refused = prepare_slices(source, recorded, todo, command)
        tables = segmented(source, tables, command.arguments.jobs, command.arguments.dask_scheduler)
        list_rejected(tables, pd.concat([refused, tables.left_out], ignore_index=True), command)
        join(tables, recorded, command)
        write_tables(source, tables, command)
        recorded.forget_outdated(source.files)
        out.finish([STUDIES, SLICES], facts={"source": source.options, "drawn": source.drawn})
    summary("prepare", len(todo), "files", watch.seconds, {"studies in the table": len(tables.studies)})


def volumes_whole(out: Output, command: SpineCommand) -> bool:
    """Whether a finished data set still has the volume of each of its studies, in its full length."""
    if not out.finished:
        return False
    studies = read_table(out.folder / STUDIES, STUDY_SCHEMA, columns=["study_uid", "slices", "rows", "columns"])
    return all(
        volume_whole(volume_path(command.work, command.data_set, study), tuple(shape))
        for study, *shape in studies.itertuples(index=False, name=None)
    )


def prepare_slices(
    source: Source, journal: Journal, todo: FileList, command: SpineCommand
) -> tuple[StudyTables, pd.DataFrame]:
    """Decode `todo`, and again what has no array any more and whose study is to be joined; then the tables so far.

    Also returns path, reason and message of the files that are refused. Raises BadInput.
    """
    arguments, config = command.arguments, command.config.prepare
    while True:
        if todo:
            prepare_files(
                todo,
                partial(
                    prepare_slice,
                    slices=journal.images,
                    naming=source.headers,
                    named_by_folder=source.named_by_folder,
                ),
                journal,
                jobs=arguments.jobs,
                dask_scheduler=arguments.dask_scheduler,
                label="prepare",
            )
        rows, refusals = journal.join(source.files)
        slices, left_out = volume_slices(rows.to_pandas())
        refused = pd.concat([refusals.to_pandas(), left_out, twice_named(source)], ignore_index=True)
        if slices.empty:
            list_rejected(None, refused, command)
        tables = labelled_studies(source, slices, config)
        if tables.slices.empty:
            list_rejected(None, pd.concat([refused, tables.left_out], ignore_index=True), command)
        pending = joining.unjoined(tables.slices, command.work, command.data_set)
        paths = pa.array(joining.missing(tables.slices, pending, journal.images), pa.string())
        todo = source.files.take(pc.is_in(source.files.labels, paths).to_numpy(zero_copy_only=False))
        if not todo:
            return tables, refused


def join(tables: StudyTables, journal: Journal, command: SpineCommand) -> None:
    """Join what is not joined yet, and remove what belongs to no volume any more. Raises BadInput."""
    work, data_set = command.work, command.data_set
    pending = joining.unjoined(tables.slices, work, data_set)
    joining.keep_only(tables.slices, pending, journal.images)
    joining.join(tables.slices, pending, journal.images, work, data_set)
    joining.remove_others(tables.studies["study_uid"].tolist(), work, data_set)


def twice_named(source: Source) -> pd.DataFrame:
    """The refusals of test slices whose study is a training study."""
    paths = source.left_out.labels.to_pylist() if source.left_out is not None else []
    message = "its study lies in the training folder, too, which is used"
    return pd.DataFrame({"path": paths, "reason": "twice_named", "message": message}, dtype=str)


def list_rejected(tables: StudyTables | None, refused: pd.DataFrame, command: SpineCommand) -> None:
    """Write the table of what is left out. Raises BadInput where too much is, or nothing is left (tables: None)."""
    listing = data_folder(command.work, command.data_set) / "rejected.csv"
    write_rejected(listing, refused)
    usable, share = 0 if tables is None else len(tables.slices), command.config.prepare.bad_share
    check_usable(listing, usable, refused, share, option="prepare.bad_share", foreign=NO_DAMAGE)


def write_tables(source: Source, tables: StudyTables, command: SpineCommand) -> None:
    """Write the tables of studies and slices, the sample submission, and what labels name and is not there."""
    work, data_set = command.work, command.data_set
    folder, studies = data_folder(work, data_set), tables.studies
    log_studies(tables, source.ignored)
    lost = unmatched(source, studies)
    write_bytes(folder / UNMATCHED, lost.to_csv(index=False, lineterminator="\n").encode())
    if len(lost):
        logger.warning(
            "rows of the label table that fit no study that is used: %d (see %s)", len(lost), folder / UNMATCHED
        )
    if source.sample is not None:
        write_bytes(sample_submission_path(work, data_set), source.sample)
    digests = joining.volume_digests(studies["study_uid"].tolist(), work, data_set)
    write_table(folder / STUDIES, studies.assign(volume_digest=digests), STUDY_SCHEMA)
    write_table(folder / SLICES, tables.slices, SLICE_SCHEMA)
