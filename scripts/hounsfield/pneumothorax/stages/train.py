"""Training the network, fold after fold, part after part, once the command line is read (stage 62)."""

from __future__ import annotations

import itertools

import pandas as pd

from hounsfield.competitions.siim2019.domain import training_facts
from hounsfield.competitions.siim2019.tables import open_data_set, read_films
from hounsfield.core.errors import WrongUse
from hounsfield.core.logs import logger
from hounsfield.core.stages.kept_configs import keep_config
from hounsfield.core.stages.outputs import output
from hounsfield.core.stages.upstream import reading
from hounsfield.core.training.course import Course, PlannedRun
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.pneumothorax.films import FILM_COLUMNS, FilmsWithMasks
from hounsfield.pneumothorax.part_run import PartRun, check_parts, split_films
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, data_set_folds, remedies
from hounsfield.pneumothorax.training import train_part


def train_parts(command: PneumothoraxCommand) -> None:
    """Train every part of every fold that is not there yet."""
    check_parts(command.config)
    parts = chosen_parts(command)
    with open_devices(command.config.training.precision, command.config.threads) as devices:
        data = open_data_set(command.work, command.data_set, remedies(command))
        with reading(data.folder):
            films = read_films(data, FILM_COLUMNS)
            runs = [PartRun(command, data, *one) for one in itertools.product(data_set_folds(command, data), parts)]
            planned = [PlannedRun(run.folder, run.own.epochs, run.own.top, cost=run.own.size**2) for run in runs]
            course = Course(planned, force=command.force)
            for run in runs:
                train(run, films, devices, course)
            keep_config(command, "pneumothorax", trained=course.begun, first=devices.first)


def chosen_parts(command: PneumothoraxCommand) -> list[int]:
    """The parts of the command line, all when it names none, ascending. Raises WrongUse where there is no such part."""
    count = len(command.config.training.parts)
    parts = command.arguments.part or range(count)
    for part in parts:
        if not 0 <= part < count:
            raise WrongUse(f"--part {part}: training.parts has 0 to {count - 1}")
    return sorted(set(parts))


def train(task: PartRun, films: pd.DataFrame, devices: Devices, course: Course) -> None:
    """Train one part of one fold, unless it is there. films: the whole table."""
    start, own = task.start(), task.own
    provenance = task.provenance(start)
    claim = output(task.folder, provenance, force=task.command.force, remedy=task.remedy, processes=devices)
    with claim as out:
        if out.finished:
            logger.info("%s: nothing to do, it is trained", task.name)
            return
        split = split_films(films, task.fold, extra_films=own.extra_films)
        opened = [FilmsWithMasks(task.data, part, own.size, task.seeds) for part in split]
        files = train_part(task, out, start, opened[0], opened[1], devices, course)
        facts = {"arguments": ["--part", str(task.part)], "trained_on": training_facts(task.data, split[0])}
        out.finish(files, learned=task.learned(*split, start), facts=facts)
