"""The slices that show brain in Hounsfield units, and this system's table of slices (stage 41)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.domain import DOMAIN_COLUMNS, training_facts
from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES, data_folder
from hounsfield.competitions.rsna2019.prepared_files import find_files, prepared_source
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.counts import count_of
from hounsfield.core.errors import WrongUse
from hounsfield.core.intake.prepare_files import check_usable, prepare_files, write_rejected
from hounsfield.core.intake.sources import list_sources
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.outputs import Output, Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading, replacing, require
from hounsfield.core.stages.variables import as_given
from hounsfield.core.storage.files import locked
from hounsfield.core.storage.tables import write_table
from hounsfield.stacking.experiments import StackingCommand, data_settings, remedies
from hounsfield.stacking.paths import DATA, TRAIN, hu_folder, hu_parts_folder, network_folder, stacking_data_folder
from hounsfield.stacking.preparation import (
    AS_PREPARED,
    check_space,
    files_to_store,
    open_journal,
    store_file,
)
from hounsfield.stacking.tables import PREPARED_COLUMNS, log_slices, shows_brain, stacking_schema, stacking_slices

COLUMNS = tuple(
    dict.fromkeys(("path", "rows", "columns", "hu_mean", "intercept_repaired", *PREPARED_COLUMNS, *DOMAIN_COLUMNS))
)


def store_slices(command: StackingCommand) -> None:
    """Store what is not stored yet, then write the table."""
    work, data_set = command.work, command.data_set
    source = source_options(command)
    data, models = open_data_set(work, data_set, remedies(command)), models_to_apply(command)
    provenance = Provenance(DATA, data_settings(command.config.data), {"data set": data.as_input()})
    folder = stacking_data_folder(work, data_set, command.experiment)
    remedy = command.remedy(f"{DATA}.sh", *source)
    claim = output(folder, provenance, force=command.force, remedy=remedy)
    what = f"the slices of {command.experiment}"
    shared = locked(hu_folder(work, data_set))  # other experiments store there, too
    with reading(data_folder(work, data_set)), replacing(work, folder, what=what), claim as out, shared:
        store(command, data, [Path(one) for one in source[1:]] or prepared_source(work, data), out, models)


def models_to_apply(command: StackingCommand) -> Upstream | None:
    """The first classifier, which knows the labels, where another data set is to be predicted; None where it is not."""
    if not applied_to(command):
        return None
    network, fold = command.config.networks[0].name, int(command.folds[0])
    folder = network_folder(command.work, command.experiment, network, fold)
    return require(command.work, folder, TRAIN, remedies(command))


def source_options(command: StackingCommand) -> tuple[str, ...]:
    """What the command line says of the files; nothing where they lie where they were prepared."""
    archive, images = command.arguments.archive, command.arguments.images
    if archive is not None and images is not None:
        given = as_given("ARCHIVE", "--archive", archive)
        raise WrongUse(f"{given} and --images name two sources; give the one that was prepared")
    option, paths = ("--images", images) if images else ("--archive", [archive] if archive else [])
    return (option, *(str(Path(path).absolute()) for path in paths)) if paths else ()


def store(
    command: StackingCommand, data: Upstream, sources: Sequence[Path], out: Output, models: Upstream | None
) -> None:
    """Store the images that are not there yet, then write the table of this experiment.

    models: that are applied to the data set; all of its slices are test slices then, and have no labels.
    """
    work, config, watch, label_set = command.work, command.config.data, Stopwatch(), label_set_of(models or data)
    images, columns = hu_folder(work, command.data_set), COLUMNS if models else (*COLUMNS, *label_set.names)
    slices = read_slices(data, columns)
    if models:
        slices = slices.assign(split="test", **dict.fromkeys(label_set.names, np.nan))
    wanted = slices[shows_brain(slices, config)].set_index("path")
    files = find_files(wanted.index, list_sources(sources), data.folder / SLICES)
    journal = open_journal(hu_parts_folder(work, command.data_set), images)
    journal.recognise(files)
    todo = files_to_store(files, journal, wanted)
    if out.finished and not todo:
        logger.info("stacking data: nothing to do, %s: %s", command.data_set, count_of(len(files), "slices"))
        return
    out.reopen()  # later stages must not read an old table over new images
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
    listing = out.folder / "hu_rejected.csv"
    write_rejected(listing, rejected)
    check_usable(listing, len(stored), rejected, config.bad_share, option="data.bad_share")
    table: pd.DataFrame = stacking_slices(label_set, slices, stored.set_index("image_id")["hu_crc32"], config)
    write_table(out.folder / SLICES, table, stacking_schema(label_set))
    facts = label_facts(models or data)
    facts["trained_on"] = (
        models.record["facts"].get("trained_on") if models else training_facts(data, slices[slices["split"] == "train"])
    )
    out.finish([SLICES], facts=facts)
    log_slices(label_set, table)
    summary("stacking data", len(todo), "slices", watch.seconds, {"slices in the table": len(table)})
