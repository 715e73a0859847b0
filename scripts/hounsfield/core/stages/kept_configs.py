"""The configuration that a run was trained with, kept beside its weights for whoever finds the run by its folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import ALL, REPOSITORY, Command, applied_to, command_line, shown
from hounsfield.core.stages.configuration import check_yaml, save_config
from hounsfield.core.storage.files import json_values


def keep_config(command: Command[Any], system: str, *, trained: bool, first: bool = True) -> None:
    """Write the whole configuration, with what the command line changed of it; nothing where models are only applied.

    Each stage that trains does so when it is done: the last one's stays, and a refused command changes nothing.
    trained: has it made a model of the run? Where all are there already, what is kept stays. first: of several
    processes the one that writes.
    """
    kept = kept_config(command.work, system, command.experiment)
    if first and not applied_to(command) and (trained or not kept.exists()):
        save_config(kept, replace(command.config, folds=_folds_of_run(kept, command.config)))


def _folds_of_run(kept: Path, config: Any) -> tuple[Any, ...]:
    """The folds that the run has had, and those of `config`: a run may be trained fold by fold, with `--folds` of each.

    Those that there no longer are do not count, nor do any beside the single model, which trains on every patient.
    """
    values = asdict(config)
    count = next(part["fold_count"] for part in values.values() if isinstance(part, dict) and "fold_count" in part)
    before = [fold for fold in _kept_folds(kept) if isinstance(fold, int) and 0 <= fold < count]
    own = values["folds"]
    return own if ALL in own else tuple(sorted({*before, *own}))


def _kept_folds(kept: Path) -> list[Any]:
    """None where nothing is kept, or nothing that can be read: it is written anew."""
    with suppress(FileNotFoundError, WrongUse):
        content = kept.read_bytes()
        check_yaml(content, shown(kept))
        folds = yaml.safe_load(content).get("folds")
        return folds if isinstance(folds, list) else []
    return []


def kept_config(work: Path, system: str, experiment: str) -> Path:
    """Where it lies; written by stages that train, read where `config_of_run` finds no other."""
    return work / "checkpoints" / system / experiment / f"{experiment}.yaml"


def config_of_run(work: Path, system: str, experiment: str) -> Path:
    """The configuration of that name in configs/; where there is none, the kept one, which may be missing, too."""
    shipped = REPOSITORY / "configs" / system / f"{experiment}.yaml"
    kept = kept_config(work, system, experiment)
    return kept if kept.exists() and not shipped.exists() else shipped


def kept_otherwise(command: Command[Any], system: str) -> list[str]:
    """What the command's configuration says otherwise than the one that its run has kept, a line each."""
    from hounsfield.core.stages.outputs import differences  # brings pandas

    kept = kept_config(command.work, system, command.experiment)
    if not kept.is_file() or kept.samefile(str(command.arguments.config[-1])):
        return []
    content = kept.read_bytes()
    check_yaml(content, shown(kept))
    then, now = yaml.safe_load(content), json_values(asdict(command.config))
    return differences({"settings": then, "inputs": {}}, {"settings": now, "inputs": {}})


def remedy_of_run(stage: str, folder: Path) -> str:
    """The command that runs a stage for the finished run in `folder`, <work>/preds/<system>/<experiment>."""
    work = folder.parents[2]
    where = {} if work == REPOSITORY else {"WORK": shown(work)}
    config = config_of_run(work, folder.parent.name, folder.name)
    return command_line(f"{stage}.sh", {"CONFIG": shown(config), **where})
