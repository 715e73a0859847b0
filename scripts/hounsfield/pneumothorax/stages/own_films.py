"""Masks, findings and pictures of films that the networks were not trained on (stage 65 with --apply-to)."""

from __future__ import annotations

from typing import NamedTuple

from hounsfield.competitions.siim2019.rle import decode
from hounsfield.competitions.siim2019.tables import open_data_set
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.calibration import CALIBRATION, write_calibration
from hounsfield.core.evaluation.findings import REFUSED, read_refused, write_csv
from hounsfield.core.evaluation.out_of_fold import by_other_models
from hounsfield.core.logs import Stopwatch, logger, progress, show, summary
from hounsfield.core.stages.command import applied_to, on_training_set
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Output, Provenance, output, read_record
from hounsfield.core.stages.upstream import Upstream, check_made, reading, require
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.image_files import encode_png, store_image
from hounsfield.pneumothorax.answers import PICTURES, Worth, answer_table, printed, worth_of
from hounsfield.pneumothorax.calibration import learned_by_run
from hounsfield.pneumothorax.choice import read_choice
from hounsfield.pneumothorax.config import Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms, maps_settings, open_maps
from hounsfield.pneumothorax.paths import SUBMIT, THRESHOLDS, predictions_folder, thresholds_folder
from hounsfield.pneumothorax.pictures import outlined
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, data_set_folds, remedies
from hounsfield.pneumothorax.results import FINDINGS, SUBMISSION, write_test_films
from hounsfield.pneumothorax.thresholds import threshold_settings


class Rule(NamedTuple):
    """The rule to apply, and what it comes from."""

    triplet: Triplet
    worth: Worth
    inputs: dict[str, Upstream]


def answer_films(command: PneumothoraxCommand) -> None:
    """Answer for all films of a data set that is only predicted, unless that is done, and show the answers."""
    remedy_of, work, name = remedies(command), command.work, applied_to(command)
    folder = predictions_folder(work, command.experiment, name)
    if folder == thresholds_folder(work, command.experiment):
        raise WrongUse(f"--apply-to {name}: the chosen rules have that name; prepare the films under another one")
    data = open_data_set(work, command.data_set, remedy_of)
    with reading(data.folder):
        folds = data_set_folds(command, data)
        maps = open_maps(command, folds)
        rule = rule_for(command, folds)
        inputs = {"data set": data.as_input(), "maps": maps.output.as_input()}
        inputs |= {what: one.as_input() for what, one in rule.inputs.items()}
        sample = sample_submission_path(work, command.data_set)
        if sample.exists():
            inputs["sample submission"] = Input(file_digest(sample))
        settings = {"folds": folds, "submission": plain(command.config.submission)}
        provenance = Provenance(SUBMIT, settings, inputs)
        claim = output(folder, provenance, force=command.force, remedy=remedy_of(SUBMIT))
        with reading(maps.output.folder), claim as out:
            if out.finished:
                logger.info("answers: nothing to do, %s is written", folder / FINDINGS)
            else:
                answer(command, MappedFilms(maps, data), rule, data, out)
    show(printed(folder))


def rule_for(command: PneumothoraxCommand, folds: list[int]) -> Rule:
    """The rule that the configuration gives, else the one that stage 64 chose on maps by the same networks.

    Raises MissingInput or StaleOutput with the commands that choose it.
    """
    training, work, config = on_training_set(command), command.work, command.config
    remedy_of, inputs, triplet = remedies(training), {}, config.submission.triplet
    if triplet is None:
        chosen = require(work, thresholds_folder(work, command.experiment), THRESHOLDS, remedy_of)
        settings_of = {"maps": maps_settings(config, folds)}
        check_made(chosen, threshold_settings(config.thresholds), settings_of=settings_of)
        inputs["thresholds"], triplet = chosen, read_choice(chosen).everywhere
    scored, run, others = predictions_folder(work, command.experiment), None, ""
    if read_record(scored) is not None:
        inputs["out-of-fold scores"] = run = require(work, scored, SUBMIT, remedy_of)
        others = by_other_models(map(str, run.record["settings"]["folds"]), map(str, folds))
    worth = worth_of(run, config.submission)
    return Rule(triplet, worth._replace(scored_on=worth.scored_on + others), inputs)


def answer(command: PneumothoraxCommand, films: MappedFilms, rule: Rule, data: Upstream, out: Output) -> None:
    """Write run lengths, findings, refused files and a picture of each film."""
    watch, config = Stopwatch(), command.config.submission
    sample = sample_submission_path(command.work, command.data_set)
    known = learned_by_run(rule.inputs.get("out-of-fold scores"), rule.triplet)
    write_calibration(out.folder / CALIBRATION, known.calibration)
    predicted = write_test_films(out.folder, films, rule.triplet, config, sample, known.calibration)
    table = answer_table(predicted, films, rule.triplet, rule.worth)
    write_csv(out.folder / FINDINGS, table.drop(columns="run_lengths"))
    write_csv(out.folder / REFUSED, read_refused(data))
    found = zip(films.test.tolist(), predicted["run_lengths"], strict=True)
    for row, text in progress(found, total=len(predicted), unit="film", label="pictures"):
        film = films.films.iloc[row]
        mask = decode(text, (int(film["rows"]), int(film["columns"])))
        store_image(out.folder / PICTURES / f"{film['film_id']}.png", encode_png(outlined(films.image(row), mask)))
    learned = Ledger.joined([films.maps.output.learned(), *(one.learned() for one in rule.inputs.values())])
    out.finish([SUBMISSION, FINDINGS, REFUSED, CALIBRATION], learned=learned)
    summary("answers", len(predicted), "films", watch.seconds, {"positive": int(predicted["pneumothorax"].sum())})
