"""A finished run that a program finds by its folder alone, whatever its system."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.stages.command import remedy_of_run
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import RemedyOf, Upstream, require


def finished_run(work: Path, folder: Path, again: str) -> tuple[Upstream, RemedyOf]:
    """The finished run in <work>/preds/<system>/<experiment>, and what gives the command of a stage for it.

    again: the command that makes such a run where there is none. Raises MissingInput or StaleOutput with the commands,
    and WrongUse for a folder elsewhere.
    """
    folder = folder.resolve()
    if not folder.is_relative_to(work / "preds") or len(folder.relative_to(work).parts) < 3:
        raise WrongUse(f"{folder} is no run below {work / 'preds'}; name it with --work or WORK")
    record = read_record(folder)
    if record is None:
        raise MissingInput(f"{folder} holds no finished run; make it with: {again}")

    def remedy_of(stage: str, *arguments: str) -> str:
        return " ".join([remedy_of_run(stage, folder), *arguments])

    return require(work, folder, record["stage"], remedy_of), remedy_of
