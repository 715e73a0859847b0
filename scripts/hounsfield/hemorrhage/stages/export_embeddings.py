"""One experiment's embeddings of one data set as a portable archive (stage 16)."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hounsfield.competitions.rsna2019.tables import open_data_set
from hounsfield.core.errors import MissingInput
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.configuration import save_config
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import Upstream, reading, require
from hounsfield.hemorrhage.archive_checks import Subject
from hounsfield.hemorrhage.config import extracted_epochs
from hounsfield.hemorrhage.embedding_archive import archive_path, export_embeddings
from hounsfield.hemorrhage.paths import EXPORT, EXTRACT, store_folder
from hounsfield.hemorrhage.remedies import HemorrhageCommand, data_set_folds, remedies


def pack_embeddings(command: HemorrhageCommand) -> None:
    """Pack what is finished of the configuration's folds and epochs."""
    config, output, watch = command.config, command.arguments.output, Stopwatch()
    data = open_data_set(command.work, command.data_set, remedies(command))
    subject = Subject(command.work, command.experiment, command.data_set)
    with reading(data.folder), tempfile.TemporaryDirectory() as scratch:
        stores = finished_stores(command, data_set_folds(command, data, EXPORT))
        # where the weights lay is nobody else's concern
        resolved = replace(config, classifier=replace(config.classifier, weights=None))
        save_config(Path(scratch) / subject.config.name, resolved)
        target = Path(output) if output else archive_path(subject)
        remedy = command.remedy(f"{EXPORT}.sh", *(("--output", output) if output else ()))
        contents = export_embeddings(subject, data, stores, Path(scratch), target, force=command.force, remedy=remedy)
    summary(f"export to {target}", len(contents.files), "files", watch.seconds)


def finished_stores(command: HemorrhageCommand, folds: list[str]) -> dict[str, Upstream]:
    """The embeddings that are there, by their name in the archive. Raises MissingInput when there are none."""
    found, epochs = {}, extracted_epochs(command.config)
    for fold in folds:
        for epoch in epochs:
            folder = store_folder(command.work, command.data_set, command.experiment, fold, epoch)
            if read_record(folder) is not None:
                found[f"fold{fold}/epoch{epoch}"] = require(command.work, folder, EXTRACT, remedies(command))
            else:
                logger.warning("export: fold %s, epoch %d is not there or not finished; it is left out", fold, epoch)
    if not found:
        raise MissingInput(
            f"{folder.parent.parent}: no finished embeddings of folds {', '.join(folds)}, epochs {list(epochs)}. Make "
            f"them with: {remedies(command)(EXTRACT)}"
        )
    return found
