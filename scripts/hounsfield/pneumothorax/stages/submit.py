"""The submission of the test films, and the scores and the gallery of the out-of-fold ones (stage 65)."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from hounsfield.competitions.siim2019.labels import LABELS
from hounsfield.competitions.siim2019.tables import open_data_set
from hounsfield.core.evaluation.calibration import CALIBRATION, write_calibration
from hounsfield.core.evaluation.score_table import read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, show, summary
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Output, Provenance, output
from hounsfield.core.stages.upstream import check_made, reading
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import file_digest
from hounsfield.pneumothorax.calibration import learn_films, write_out_of_fold
from hounsfield.pneumothorax.gallery import draw_gallery
from hounsfield.pneumothorax.mapped_films import maps_settings
from hounsfield.pneumothorax.maps import refuse_other_films
from hounsfield.pneumothorax.paths import MAPS, SUBMIT, THRESHOLDS, TRAIN, predictions_folder
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, data_set_folds, experiments_of, remedies
from hounsfield.pneumothorax.results import FINDINGS, OUT_OF_FOLD, SCORES, SUBMISSION, write_test_films
from hounsfield.pneumothorax.scores import (
    METRIC,
    FilmResults,
    Scored,
    film_results,
    open_scored,
    prior,
    scored_systems,
)
from hounsfield.pneumothorax.stages.own_films import answer_films
from hounsfield.pneumothorax.thresholds import threshold_settings

CHAIN = (TRAIN, MAPS, THRESHOLDS, SUBMIT)
GALLERY = "gallery.png"


def submit_films(command: PneumothoraxCommand) -> None:
    """Submit what is not submitted yet, and show the scores; of another data set's films, the answers."""
    if applied_to(command):
        answer_films(command)
        return
    remedy_of, folder = remedies(command), predictions_folder(command.work, command.experiment)
    data = open_data_set(command.work, command.data_set, remedy_of)
    with reading(data.folder):
        folds = data_set_folds(command, data)
        scored = [open_scored(own, data, folds) for own in experiments_of(command).values()]
        refuse_other_films([one.films.maps for one in scored])
        check_made(scored[-1].films.maps.output, maps_settings(command.config, folds))
        check_made(scored[-1].thresholds, threshold_settings(command.config.thresholds))
        inputs = {"data set": data.as_input()}
        for one in scored:
            inputs |= {f"maps of {one.experiment}": one.films.maps.output.as_input()}
            inputs |= {f"thresholds of {one.experiment}": one.thresholds.as_input()}
        sample = sample_submission_path(command.work, command.data_set)
        if sample.exists():
            inputs["sample submission"] = Input(file_digest(sample))
        settings = {"folds": folds, "submission": plain(command.config.submission)}
        provenance = Provenance(SUBMIT, settings, inputs)
        with output(folder, provenance, force=command.force, remedy=remedy_of(SUBMIT)) as out:
            if out.finished:
                logger.info("submission: nothing to do, %s is written", folder / SUBMISSION)
            else:
                submit(command, scored, out)
    show(readable(read_scores(folder / SCORES)))
    show(f"\nsubmission: {folder / SUBMISSION}\ngallery: {folder / GALLERY}")


def submit(command: PneumothoraxCommand, scored: list[Scored], out: Output) -> None:
    """Score, submit and draw."""
    watch, config, last = Stopwatch(), command.config.submission, scored[-1]
    results = [film_results(one.films, one.rules(config.triplet), config) for one in scored]
    again = " && ".join(f"{remedies(command)(one)} --force" for one in CHAIN)
    write_score_table(scored, results, out, again)
    learned = learn_films(last, results[-1], config.triplet, command.data_set, again)
    write_calibration(out.folder / CALIBRATION, learned.calibration)
    rule = config.triplet or last.chosen.everywhere
    sample = sample_submission_path(command.work, command.data_set)
    predicted = write_test_films(out.folder, last.films, rule, config, sample, learned.calibration)
    shown = last.shown_rule(config.triplet)
    write_out_of_fold(out.folder / OUT_OF_FOLD, last, results[-1], shown, learned)
    title = f"{command.experiment}, out-of-fold films, {shown.replace('_', ' ')}"
    draw_gallery(out.folder / GALLERY, last.films, results[-1][shown], last.rules(config.triplet)[shown], config, title)
    ledger = Ledger.joined([last.ledger, learned.ledger])
    names = [SUBMISSION, FINDINGS, OUT_OF_FOLD, SCORES, CALIBRATION, GALLERY]
    out.finish(names, learned=ledger, facts={"rule": asdict(rule)})
    summary(
        "submission", len(predicted), "test films", watch.seconds, {"positive": int(predicted["pneumothorax"].sum())}
    )


def write_score_table(scored: list[Scored], results: list[dict[str, FilmResults]], out: Output, again: str) -> None:
    """Score the empty submission, and every experiment by each rule, on the same out-of-fold films.

    again: the commands that make the maps anew.
    """
    films = scored[-1].films
    systems = [prior(films.labels)]
    for one, found in zip(scored, results, strict=True):
        systems += scored_systems(one, found)
    labels, folds = np.empty((len(films.labels), 0)), " ".join(map(str, out.provenance.settings["folds"]))
    table = score_table(LABELS, systems, labels, films.patients, folds, metric=METRIC, remedy=again)
    write_scores(out.folder / SCORES, table)
