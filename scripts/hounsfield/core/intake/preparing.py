"""A data set's folder, held while it is prepared: what it is made from, and what may have been added since."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.listings import files_may_differ
from hounsfield.core.intake.sources import refuse_unusable
from hounsfield.core.stages.command import Command
from hounsfield.core.stages.outputs import Input, Output, Provenance, output
from hounsfield.core.stages.upstream import replacing
from hounsfield.core.storage.data_sets import data_folder


class PreparedFrom(Protocol):
    """What a competition's preparation starts from."""

    @property
    def files(self) -> FileList:
        """The files that are prepared one by one."""

    @property
    def options(self) -> tuple[str, ...]:
        """What names it on a command line."""

    def digests(self) -> dict[str, str]:
        """Of all that the data set is made from, by name; the files are `files`."""


@contextmanager
def preparing(
    command: Command[Any],
    stage: str,
    source: PreparedFrom,
    settings: Mapping[str, Any],
    lists: Collection[str],
    journal: Callable[[], Journal],
) -> Iterator[Output]:
    """Hold the data set's folder for its preparation; files may have been added since the last one, and no more.

    settings: that shape the data set. lists: options of `source` that take several words. journal: opens the data
    set's, once its folder is held. Raises StaleOutput, naming what differs and what depends on it, and BadInput
    for an archive that cannot be read, unless every file may be bad.
    """
    if command.config.prepare.bad_share < 1:
        refuse_unusable(source.files)
    folder = data_folder(command.work, command.data_set)
    claim = output(
        folder,
        Provenance(stage, dict(settings), {name: Input(digest) for name, digest in source.digests().items()}),
        force=command.force,
        remedy=command.remedy(f"{stage}.sh", *source.options),
        permits=lambda: files_may_differ(source.files, source.options, lists, journal(), folder, command, stage),
        extends=True,
    )
    with replacing(command.work, folder, what=f"the data set {command.data_set}"), claim as out:
        yield out
