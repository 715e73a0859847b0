"""A finished run that a program finds by its folder alone, whatever its system."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.stages.kept_configs import config_of_run, remedy_of_run
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.records import record_among_others
from hounsfield.core.stages.upstream import RemedyOf, Upstream, require

MOST_NAMED = 5  # runs in a message


def finished_run(work: Path, folder: Path, last_stage: str) -> tuple[Upstream, RemedyOf]:
    """The finished run in <work>/preds/<system>/<experiment>, and what gives the command of a stage for it.

    last_stage: makes such a run where there is none. Raises MissingInput or StaleOutput with the commands,
    and WrongUse for a folder elsewhere.
    """
    folder = folder.resolve()
    if not folder.is_relative_to(work / "preds") or len(folder.relative_to(work).parts) < 3:
        raise WrongUse(f"{folder} is no run below {work / 'preds'}; name it with --work or WORK")
    experiment = work.joinpath(*folder.relative_to(work).parts[:3])

    def remedy_of(stage: str, *arguments: str) -> str:
        return " ".join([remedy_of_run(stage, experiment), *arguments])

    record = read_record(folder)
    if record is None:
        refuse_unknown(experiment)
        raise MissingInput(f"{folder} holds no finished run; make it with: {remedy_of(last_stage)}")

    return require(work, folder, record["stage"], remedy_of), remedy_of


def refuse_unknown(folder: Path) -> None:
    """Raise WrongUse, naming those that are there, for a run that has neither a folder nor a configuration.

    folder: <work>/preds/<system>/<experiment>.
    """
    system = folder.parent
    if folder.exists() or config_of_run(folder.parents[2], system.name, folder.name).exists():
        return
    known = [str(one) for one in sorted(system.glob("*")) if record_among_others(one) is not None]
    raise WrongUse(f"{folder} is no run; those of {system}: {', '.join(known[:MOST_NAMED]) or 'none'}")


def input_of(made: Upstream, name: str, remedy_of: RemedyOf) -> Upstream:
    """The output that another one was made from, by the name that its record has for it.

    Raises MissingInput or StaleOutput, with the commands, where it is no longer there or no longer fits.
    """
    folder = (made.work / made.record["inputs"][name]["record"]).parent
    record = read_record(folder)
    if record is None:
        raise MissingInput(f"{folder} is missing, which {made.folder} was made from; make both anew: {made.remedy}")
    return require(made.work, folder, record["stage"], remedy_of)


def inputs_named(made: Upstream, beginning: str, remedy_of: RemedyOf) -> dict[str, Upstream]:
    """All outputs that another one was made from under a name with this beginning, by what follows it."""
    names = [name for name in made.record["inputs"] if name.startswith(beginning)]
    return {name.removeprefix(beginning): input_of(made, name, remedy_of) for name in names}


def member_of(name: str, *parts: str) -> tuple[str, ...]:
    """What stands before, between and behind some words of a name: `a fold 0 epoch 1` by fold and epoch: a, 0, 1."""
    found = []
    for part in reversed(parts):
        name, _, last = name.rpartition(f" {part} ")
        found.append(last)
    return (name, *reversed(found))
