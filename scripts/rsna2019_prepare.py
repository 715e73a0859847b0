"""Prepare a data set: DICOM to windowed images and one table of slices.

In: the competition's archive (a zip or a folder), or any folder of DICOM files.
Out: data/<data set>/slices.parquet, images/, rejected.csv.
"""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.paths import (
    data_folder,
    images_folder,
    raw_archive,
    sample_submission_path,
    slices_path,
)
from hounsfield.competitions.rsna2019.preparation import Naming, prepare_chunk
from hounsfield.competitions.rsna2019.source import Source, competition_source, own_source
from hounsfield.competitions.rsna2019.tables import (
    FILE_SCHEMA,
    ORIENTATION,
    POSITION,
    SERIES_KEY,
    SLICE_SCHEMA,
    add_labels_and_folds,
    flags_with_repeats,
    order_slices,
    spacing_facts,
    tilted_away,
)
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.executors import run_chunks
from hounsfield.core.intake.journal import Parts, refuse_deadly
from hounsfield.core.logs import Stopwatch, logger, progress, set_up_logging, summary
from hounsfield.core.stages.command import Command, check_name, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.files import locked, read_json, write_bytes, write_json
from hounsfield.core.storage.tables import escape_cell, to_arrow, write_arrow
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

FILES_A_CHUNK = 64
# what the order, the folds and the flags of slices follow from
PLACING = ["image_id", *SERIES_KEY, *POSITION, *ORIENTATION, "instance_number", "flags", "sop_number", "image_crc32"]
COPIED = {field.name for field in FILE_SCHEMA} - {"flags"}  # from the parts to the table of slices, unchanged
# files that are no CT slices at all: expected in a folder of one's own, and no sign of damage
NOT_OURS = {"not_dicom", "no_file_meta", "modality", "localizer", "empty_file"}


def main() -> None:
    """Prepare what is not prepared yet, then join the parts into the tables."""
    set_up_logging()
    parser = stage_parser(
        HemorrhageConfig, "DICOM to windowed images and a table of slices", default_config=DEFAULT_CONFIG
    )
    parser.add_argument("--archive", type=str, default=None, help="competition archive: a zip or the unpacked folder")
    parser.add_argument("--images", type=str, default=None, help="folder of your own DICOM files, any depth")
    parser.add_argument("--labels", type=str, default=None, help="CSV with labels for --images")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one for each core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    config, watch = command.config, Stopwatch()
    folder = data_folder(command.work, check_name(config.data_set, "data_set"))
    with locked(folder):
        source = find_source(command)
        settings = plain(config.prepare)
        of_a_file = {name: settings.pop(name) for name in ("repair_intercept", "jpeg_quality")}
        claim(folder / "parts", Recipe("prepare", of_a_file, {}), force=command.force)
        digest = {**source.digests(), "settings": settings}
        finished, table = folder / "prepared.json", slices_path(command.work, config.data_set)
        parts = Parts(folder / "parts", FILE_SCHEMA, ".jpg")
        missing = parts.missing(source.files, images_folder(command.work, config.data_set))
        if not missing and table.exists() and finished.exists() and read_json(finished) == digest:
            logger.info("prepare: nothing to do, %d files of %s are prepared", len(source.files), config.data_set)
            return
        finished.unlink(missing_ok=True)
        if missing:
            table.unlink(missing_ok=True)  # later stages must not read an old table over new images
        prepare_missing(missing, parts, source, command)
        slices = write_tables(source, parts, command)
        write_json(finished, digest)
    summary("prepare", len(missing), "files", watch.seconds, {"slices in the table": len(slices)})


def find_source(command: Command[HemorrhageConfig]) -> Source:
    """The files to prepare, as the command line names them."""
    arguments, config = command.arguments, command.config
    if arguments.images is None:
        if arguments.labels is not None:
            raise WrongUse("--labels goes with --images; the competition's archive brings its own")
        return competition_source(Path(arguments.archive or raw_archive(command.work, config.data_set)).absolute())
    if arguments.archive is not None:
        raise WrongUse("--archive and --images name two sources; give one")
    if config.data_set in ("rsna2019", "phantom"):
        raise WrongUse("--images needs a data set of its own: name it with --data_set NAME")
    images, labels = Path(arguments.images).absolute(), arguments.labels
    if data_folder(command.work, config.data_set).is_relative_to(images.resolve()):
        raise WrongUse(f"{images} holds the work folder's own outputs; name the folder of the DICOM files alone")
    naming = Naming(key=own_key(data_folder(command.work, config.data_set) / "pseudonyms.key"))
    return own_source(images, None if labels is None else Path(labels), naming)


def own_key(path: Path) -> bytes:
    """The key of the data set's pseudonyms; made once, and to be kept from who must not know the patients."""
    if not path.exists():
        write_bytes(path, secrets.token_bytes(32))
    return path.read_bytes()


def prepare_missing(missing: FileList, parts: Parts, source: Source, command: Command[HemorrhageConfig]) -> None:
    """Prepare the missing files in chunks, over processes or a cluster."""
    config = command.config
    work = partial(
        prepare_chunk,
        images=str(images_folder(command.work, config.data_set)),
        naming=source.naming,
        repair_intercept=config.prepare.repair_intercept,
        jpeg_quality=config.prepare.jpeg_quality,
    )
    results = run_chunks(
        work,
        missing.blocks(FILES_A_CHUNK),
        refuse_deadly,
        jobs=command.arguments.jobs,
        dask_scheduler=command.arguments.dask_scheduler,
    )
    for prepared in progress(results, total=-(-len(missing) // FILES_A_CHUNK), unit="chunk", label="prepare"):
        parts.add(prepared)


def write_tables(source: Source, parts: Parts, command: Command[HemorrhageConfig]) -> pd.DataFrame:
    """Join the parts: order, labels, folds, rejects. Raises BadInput when too little is usable."""
    config = command.config
    folder = data_folder(command.work, config.data_set)
    rows, refusals = parts.join(source.files)
    files = rows.select(PLACING).to_pandas()
    files["flags"] = flags_with_repeats(files)
    stray = tilted_away(files)
    refused = (
        rows.select(["path", "stamp"])
        .filter(stray)
        .to_pandas()
        .assign(reason="mixed_orientation", message="lies more than 5 degrees off the other slices of its series")
    )
    rejected = pd.concat([refusals.to_pandas(), refused], ignore_index=True).sort_values("path")
    listed = rejected[["path", "reason", "message"]].assign(path=rejected["path"].map(escape_cell))
    write_bytes(folder / "rejected.csv", listed.to_csv(index=False).encode())
    if stray.all():
        raise BadInput(f"none of {len(source.files)} files is a usable CT slice; {folder / 'rejected.csv'} says why")
    slices = order_slices(files.assign(row=np.arange(len(files)))[~stray], config.prepare.order)
    slices = add_labels_and_folds(slices, source.labels, config.prepare.fold_count)
    report(source, slices, rejected, folder)
    bad = (~rejected["reason"].isin(NOT_OURS)).sum()
    if bad > config.prepare.bad_share * (bad + len(slices)):
        raise BadInput(
            f"{bad} of {bad + len(slices)} CT files were refused, more than prepare.bad_share "
            f"({config.prepare.bad_share:.0%}); {folder / 'rejected.csv'} says why"
        )
    write_bytes(folder / "spacing.csv", spacing_facts(slices).to_csv(index=False).encode())
    if source.sample is not None:
        write_bytes(sample_submission_path(command.work, config.data_set), source.sample)
    write_arrow(folder / "slices.parquet", with_places(rows, slices))
    return slices


def with_places(rows: pa.Table, slices: pd.DataFrame) -> pa.Table:
    """The rows in the order of `slices`, with what that has found out; all other columns stay as they are."""
    row = pa.array(slices["row"])
    found = to_arrow(slices, pa.schema([field for field in SLICE_SCHEMA if field.name not in COPIED]))
    columns = [rows[name].take(row) if name in COPIED else found[name] for name in SLICE_SCHEMA.names]
    return pa.table(columns, schema=SLICE_SCHEMA)


def report(source: Source, slices: pd.DataFrame, rejected: pd.DataFrame, folder: Path) -> None:
    """Say what was kept, repaired, flagged and refused."""
    logger.info(
        "%d slices in %d series of %d patients; %d training, %d test; %d other files ignored",
        len(slices),
        slices["series"].nunique(),
        slices["patient_id"].nunique(),
        (slices["split"] == "train").sum(),
        (slices["split"] == "test").sum(),
        source.ignored,
    )
    for reason, count in rejected["reason"].value_counts().items():
        logger.warning("refused %d: %s (see %s)", count, reason, folder / "rejected.csv")
    flags, counts = np.unique(" ".join(slices["flags"]).split(), return_counts=True)
    for flag, count in zip(flags, counts, strict=True):
        logger.info("flagged %d: %s", count, flag)
    for fact, count in spacing_facts(slices)["fact"].value_counts().items():
        logger.info("spacing: %d times a %s (see %s)", count, fact, folder / "spacing.csv")


if __name__ == "__main__":
    run(main)
