"""DICOM to windowed images and one table of slices (stage 01)."""

from __future__ import annotations

from functools import partial

import pandas as pd

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.competitions.rsna2019.own_labels import label_slices
from hounsfield.competitions.rsna2019.paths import (
    PREPARE,
    SLICES,
    data_folder,
    images_folder,
)
from hounsfield.competitions.rsna2019.preparation import prepare_file
from hounsfield.competitions.rsna2019.source import LISTS, Source, default_source, find_source
from hounsfield.competitions.rsna2019.tables import (
    FILE_SCHEMA,
    add_labels_and_folds,
    files_to_order,
    log_slices,
    order_slices,
    slice_table,
    spacing_facts,
)
from hounsfield.core.dicom.reason_codes import OTHER_KINDS
from hounsfield.core.evaluation.labels import label_settings
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.prepare_files import already_prepared, check_usable, prepare_files, write_rejected
from hounsfield.core.intake.preparing import preparing
from hounsfield.core.logs import Stopwatch, summary
from hounsfield.core.stages.configuration import plain
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.tables import write_arrow
from hounsfield.hemorrhage.remedies import HemorrhageCommand

# no axial CT slices, or known already: expected in a folder of one's own, and no sign of damage
NOT_CT_SLICES = OTHER_KINDS | {"no_file_meta", "empty_file", "copy"}


SOURCE_OPTIONS = ("archive", "images", "labels", "test", "classes", "any_of", "class_weights", "soft_labels",
                  "labels_apply_to_slices", "score_only")  # fmt: skip
PER_FILE = ("repair_intercept", "jpeg_quality")  # settings that one file's image and row depend on


def prepare(command: HemorrhageCommand) -> None:
    """Prepare what is not prepared yet, then write the tables."""
    arguments, work, data_set, watch = command.arguments, command.work, command.data_set, Stopwatch()
    folder, images = data_folder(work, data_set), images_folder(work, data_set)
    named = {name: value for name in SOURCE_OPTIONS if (value := arguments[name]) not in (None, False)}
    source = find_source(work, data_set, **(named or default_source(work, data_set)))
    settings = plain(command.config.prepare, "bad_share")
    per_file = {name: settings[name] for name in PER_FILE}
    if source.label_set != LABELS:
        settings["labels"] = label_settings(source.label_set)

    def journal() -> Journal:
        return Journal(folder / "parts", FILE_SCHEMA, images, ".jpg", settings=per_file)

    with preparing(command, PREPARE, source, settings, LISTS, journal) as out:
        recorded = journal()
        missing = recorded.unrecorded(source.files)
        if already_prepared(out, source.files, missing):
            return
        prepare_files(
            missing,
            partial(prepare_file, images=images, naming=source.naming, **per_file),
            recorded,
            jobs=arguments.jobs,
            dask_scheduler=arguments.dask_scheduler,
            label="prepare",
        )
        count = write_tables(source, recorded, command)
        recorded.forget_outdated(source.files)
        out.finish([SLICES], facts={"source": source.options, "drawn": source.drawn})
    summary("prepare", len(missing), "files", watch.seconds, {"slices in the table": count})


def write_tables(source: Source, journal: Journal, command: HemorrhageCommand) -> int:
    """Write the tables of refused files and of slices; returns the number of slices. Raises BadInput."""
    work, data_set, settings = command.work, command.data_set, command.config.prepare
    folder = data_folder(work, data_set)
    rows, refusals = journal.join(source.files)
    own = source.naming.given is None
    files, left_out = files_to_order(rows, keep_copies=not own)
    rejected, listing = pd.concat([refusals.to_pandas(), left_out], ignore_index=True), folder / "rejected.csv"
    write_rejected(listing, rejected)
    check_usable(listing, len(files), rejected, settings.bad_share, option="prepare.bad_share", foreign=NOT_CT_SLICES)
    slices = order_slices(files, settings.order, by_name=own)
    if source.own is None:
        slices = add_labels_and_folds(slices, source.labels, settings.fold_count)
    else:
        slices = label_slices(slices, rows, source.own, source.naming, folder, settings.fold_count)
    write_bytes(folder / "spacing.csv", spacing_facts(slices).to_csv(index=False).encode())
    log_slices(slices, source.ignored, folder / "spacing.csv")
    if source.sample is not None:
        write_bytes(sample_submission_path(work, data_set), source.sample)
    write_arrow(folder / SLICES, slice_table(source.label_set, rows, slices))
    return len(slices)
