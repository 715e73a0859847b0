"""The configuration that a run was trained with, kept beside its weights for whoever finds the run by its folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from hounsfield.core.stages.command import REPOSITORY, Command, applied_to, command_line, shown
from hounsfield.core.stages.configuration import check_yaml, save_config
from hounsfield.core.storage.files import json_values


def keep_config(command: Command[Any], system: str, *, first: bool = True) -> None:
    """Write the whole configuration, with what the command line changed of it; nothing where models are only applied.

    Each stage that trains does so when it is done: the last one's stays, and a refused command changes nothing.
    first: of several processes the one that writes.
    """
    if first and not applied_to(command):
        save_config(kept_config(command.work, system, command.experiment), command.config)


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
