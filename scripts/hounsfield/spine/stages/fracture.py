"""Training the fracture networks, once the command line is read (stage 54)."""

from __future__ import annotations

import pandas as pd

from hounsfield.competitions.rsna2022.tables import open_data_set, read_studies
from hounsfield.core.logs import logger
from hounsfield.core.stages.outputs import output
from hounsfield.core.stages.upstream import reading
from hounsfield.core.training.backbones import print_backbones
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.spine.fracture_run import FractureRun, Neck, check_fracture, open_neck
from hounsfield.spine.fracture_training import train_fracture
from hounsfield.spine.network_run import networks_to_train, split_studies
from hounsfield.spine.remedies import SpineCommand, remedies


def train_fractures(command: SpineCommand) -> None:
    """Train every network that is not there yet."""
    config = command.config
    if command.arguments.list_backbones:
        print_backbones(command.arguments.list_backbones)
        return
    check_fracture(config)
    with open_devices(config.precision, config.threads) as devices:
        data = open_data_set(command.work, config.data_set, remedies(command))
        runs = [FractureRun(command, key) for key in networks_to_train(command, data)]
        necks = {run.without: open_neck(command, data, run.without) for run in runs}
        found = [one.folder for neck in necks.values() for one in (neck.boxes, neck.labels)]
        with reading(data.folder, *found):
            studies = read_studies(data)
            course = Course([run.planned for run in runs], force=command.force)
            for run in runs:
                train(run, necks[run.without], studies, devices, course)


def train(task: FractureRun, neck: Neck, studies: pd.DataFrame, devices: Devices, course: Course) -> None:
    """Train one network, unless it is there. studies: the whole table."""
    provenance = task.provenance(neck.inputs)
    with output(task.folder, provenance, force=task.command.force, remedy=task.remedy, processes=devices) as out:
        if out.finished:
            logger.info("%s: nothing to do, it is trained", task.key.name)
            return
        split = split_studies(studies, task.key, task.config.excluded)
        files = train_fracture(task, neck, out, split, devices, course)
        out.finish(files, learned=task.learned(neck, split[0]))
