"""Answers for studies without labels, their submission, and the scores of the networks out of fold (stage 56)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES
from hounsfield.competitions.rsna2022.tables import read_slices, read_studies
from hounsfield.core.evaluation.calibration import CALIBRATION, write_calibration
from hounsfield.core.evaluation.findings import read_refused
from hounsfield.core.evaluation.held_out import HeldOut, held_out_rows
from hounsfield.core.evaluation.out_of_fold_calibration import Learned
from hounsfield.core.evaluation.predictions import (
    OUT_OF_FOLD,
    TEST,
    prediction_table,
    read_predictions,
    write_predictions,
)
from hounsfield.core.evaluation.score_table import read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, show, summary
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Output, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.storage.tables import write_table
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.spine.answers import AnswerTask, answers_of, find_task, read_curves, write_submission
from hounsfield.spine.box_quality import box_quality, peaks_of, printed_quality, read_box_quality, write_box_quality
from hounsfield.spine.boxes import read_boxes
from hounsfield.spine.curves import predict_curves
from hounsfield.spine.ensemble import ledger_of, out_of_fold
from hounsfield.spine.findings import OUT_OF_FOLD as OUT_OF_FOLD_TABLE
from hounsfield.spine.findings import printed, write_answers, write_out_of_fold
from hounsfield.spine.paths import BAG, CURVES, PREDICT, SCORES
from hounsfield.spine.pictures import NONE, PICTURES, USUAL, chosen_studies, draw_pictures
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.scores import METRIC, printed_gains, systems
from hounsfield.spine.study_training import predict_studies
from hounsfield.spine.tables import PSEUDO_SCHEMA, read_pseudo_labels
from hounsfield.spine.worth import UNSCORED, learn_worth

BOXES, SUBMISSION = "boxes.csv", "submission.csv"


def predict_data_set(command: SpineCommand) -> Path:
    """Answer for a data set, unless that is done, draw what is asked for, and show it. Returns the folder."""
    with open_devices(command.config.precision, command.config.threads) as devices:
        task = find_task(command)
        claim = output(task.folder, task.provenance(), force=command.force, remedy=remedies(command)(PREDICT))
        with reading(task.data.folder), reading(task.boxes.folder), claim as out:
            if out.finished:
                logger.info("answers: nothing to do, %s is written", task.folder)
            else:
                answer(task, out, devices)
        draw(task)
    show_answers(task.folder)
    return task.folder


def answer(task: AnswerTask, out: Output, devices: Devices) -> None:
    """Predict, score, submit and tell."""
    watch, config, studies = Stopwatch(), task.command.config, read_studies(task.data)
    held_out = held_out_rows(LABELS, studies, [member.run.key.fold for member in task.scored])
    asked = task.asked(studies)
    names, scored, found = [CALIBRATION], np.empty((0, len(NAMES))), np.empty((0, len(NAMES)))
    learned = Learned.by_run(task.run, UNSCORED)
    if task.labels is not None and task.scored:
        scored, learned = score(task, out.folder, studies, held_out, task.labels)
        names += [SCORES, BOXES, OUT_OF_FOLD_TABLE]
    write_calibration(out.folder / CALIBRATION, learned.calibration)
    if len(asked):
        runs, networks = zip(*task.answers, strict=True)
        found = predict_studies(runs, networks, task.data, task.boxes, asked, config, devices).mean(axis=0)
        curves = predict_curves(out.unfinished / "windows.npy", task.curves, task.data, task.boxes, asked, devices)
        write_table(out.folder / CURVES, curves, PSEUDO_SCHEMA)
        answers = answers_of(task, asked, found, peaks_of(curves), calibration=learned.calibration)
        names += [CURVES, *write_answers(out.folder, answers, read_refused(task.data))]
        if task.own or task.sample.exists():
            write_submission(out.folder / SUBMISSION, task, studies, asked["study_uid"].tolist(), found)
            names.append(SUBMISSION)
    uids = np.concatenate([studies["study_uid"].to_numpy()[held_out.rows], asked["study_uid"].to_numpy()])
    split = np.repeat([OUT_OF_FOLD, TEST], [len(scored), len(asked)])
    write_predictions(out.folder / BAG, LABELS, prediction_table(LABELS, uids, split, np.concatenate([scored, found])))
    ledger = Ledger.joined([ledger_of(task.scored, task.answers), learned.ledger])
    out.finish([*names, BAG], learned=ledger)
    summary("answers", len(asked), "studies", watch.seconds, {"out of fold": len(scored)} if len(scored) else {})


def score(
    task: AnswerTask, folder: Path, studies: pd.DataFrame, held_out: HeldOut, pseudo_labels: Upstream
) -> tuple[np.ndarray, Learned]:
    """Write the scores of networks, boxes and curves on the M out-of-fold studies.

    Returns what the bag says, (M, 8), and what was learnt of it.
    """
    models, seen = out_of_fold(task.scored, studies, held_out)
    labels = held_out.labels.astype(np.float64)
    compared = list(systems(models, seen, labels, task.command.experiment))
    folds = " ".join(map(str, np.unique(held_out.folds)))
    again = " && ".join(dict.fromkeys(f"{member.output.remedy} --force" for member in task.scored))
    table = score_table(LABELS, compared, labels, held_out.patients, folds, metric=METRIC, remedy=again)
    write_scores(folder / SCORES, table)
    curves, rows = read_pseudo_labels(pseudo_labels), studies.iloc[held_out.rows]
    quality = box_quality(rows, read_boxes(task.boxes), read_slices(task.data), curves)
    write_box_quality(folder / BOXES, quality)
    learned = learn_worth(compared[-1], held_out, task.data.folder.name, again)
    bag, more = compared[-1].probabilities, {"calibration": learned.calibration, "nested": learned.nested["study"]}
    write_out_of_fold(folder / OUT_OF_FOLD_TABLE, answers_of(task, rows, bag, peaks_of(curves), **more))
    return bag, learned


def draw(task: AnswerTask) -> None:
    """Draw the studies that `--pictures` asks for, unless they are drawn; none for a stage without that option."""
    answers = read_predictions(task.folder / BAG, LABELS, remedy=remedies(task.command)(PREDICT))
    uids = chosen_studies(task.command.arguments.get("pictures", NONE) or USUAL, answers)
    studies = read_studies(task.data).set_index("study_uid", drop=False).loc[uids]
    draw_pictures(task.folder / PICTURES, task.data, studies, answers, read_boxes(task.boxes), read_curves(task))


def show_answers(folder: Path) -> None:
    """Print what was found: scores, where there are any, and answers."""
    if (folder / SCORES).exists():
        scores = read_scores(folder / SCORES)
        show(f"{readable(scores)}\n\n{printed_gains(scores)}\n\n{printed_quality(read_box_quality(folder / BOXES))}\n")
    else:
        show(printed(folder))
    for what, name in (("submission", SUBMISSION), ("pictures", PICTURES)):
        if (folder / name).exists():
            show(f"{what}: {folder / name}")
