"""Training the study networks, each with what it says of its validation fold, behind the command line (stage 55)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES
from hounsfield.competitions.rsna2022.tables import open_data_set, read_studies
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, prediction_table, write_predictions
from hounsfield.core.evaluation.score_table import METRIC, score
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.command import ALL
from hounsfield.core.stages.kept_configs import keep_config
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.spine.boxes import read_boxes
from hounsfield.spine.domain import training_facts
from hounsfield.spine.fracture_run import check_fracture, open_boxes
from hounsfield.spine.neck_runs import refuse_seen
from hounsfield.spine.network_run import networks_to_train, seen_through, split_studies
from hounsfield.spine.paths import STUDY, TABLE
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.study_run import StudyRun
from hounsfield.spine.study_training import predict_studies, train_study


def train_studies(command: SpineCommand) -> None:
    """Train every network that is not there yet, and predict every validation fold that is not predicted yet."""
    config = command.config
    check_fracture(config)
    with open_devices(config.precision, config.threads) as devices:
        data = open_data_set(command.work, config.data_set, remedies(command))
        runs = [StudyRun(command, key) for key in networks_to_train(command, data)]
        boxes = {run.without: open_boxes(command, data, run.without) for run in runs}
        with reading(data.folder, *(one.folder for one in boxes.values())):
            studies = read_studies(data)
            course = Course([run.planned for run in runs], force=command.force)
            for run in runs:
                split = split_studies(studies, run.key, config.excluded)
                network = train(run, data, boxes[run.without], split[0], devices, course)
                if run.key.fold != ALL:
                    validate(run, network, data, boxes[run.without], split[1], devices)
            keep_config(command, "spine", trained=course.begun, first=devices.first)


def train(
    task: StudyRun, data: Upstream, boxes: Upstream, studies: pd.DataFrame, devices: Devices, course: Course
) -> Upstream:
    """Train one network, unless it is there. studies: to learn from."""
    fracture = task.fracture()
    made_from = {"data set": data, "boxes": boxes, "fracture network": fracture}
    provenance, force = task.provenance(made_from), task.command.force
    with (
        reading(fracture.folder),
        output(task.folder, provenance, force=force, remedy=task.remedy, processes=devices) as out,
    ):
        if out.finished:
            logger.info("study %s: nothing to do, it is trained", task.key.name)
        else:
            files = train_study(task, data, boxes, fracture, studies, out, devices, course)
            facts = {"trained_on": training_facts(data, studies, read_boxes(boxes))}
            out.finish(files, learned=task.learned(boxes, fracture, studies), facts=facts)
    devices.barrier()  # nobody can read the folder before the first process has let go of it
    return task.network()


def validate(
    task: StudyRun, network: Upstream, data: Upstream, boxes: Upstream, studies: pd.DataFrame, devices: Devices
) -> None:
    """Write what the network says of the studies of its validation fold, unless that is written."""
    made_from = {"data set": data, "boxes": boxes, "study network": network}
    provenance = Provenance(STUDY, task.settings(), {name: one.as_input() for name, one in made_from.items()})
    with (
        reading(network.folder),
        output(task.predictions, provenance, force=task.command.force, remedy=task.remedy, processes=devices) as out,
    ):
        if out.finished:
            return
        watch, learned = Stopwatch(), Ledger.joined([network.learned(), seen_through(boxes, [int(task.key.fold)])])
        refuse_seen(f"study {task.key.name}", learned, studies, task.remedy, task.without)
        found = predict_studies([task], [network], data, boxes, studies, task.config, devices)[0]
        if devices.first:
            split = np.full(len(studies), OUT_OF_FOLD)
            table = prediction_table(LABELS, studies["study_uid"].to_numpy(), split, found)
            write_predictions(out.folder / TABLE, LABELS, table)
        out.finish([TABLE], learned=learned, facts={"by_design": task.by_design._asdict()})
    loss = score(LABELS, found, studies[list(NAMES)].to_numpy(np.float64, na_value=np.nan))[METRIC]
    facts = {} if loss is None else {"weighted log loss": f"{loss:.4f}"}
    summary(f"study {task.key.name}, validation", len(studies), "studies", watch.seconds, facts)
