"""A run scored on labelled films of one's own, none of whose patients it has learnt from.

N films with a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.competitions.siim2019.labels import LABELS, dice_from_counts
from hounsfield.competitions.siim2019.masks import MaskTask, check_mask, own_mask
from hounsfield.competitions.siim2019.own_labels import OwnLabels, match_films
from hounsfield.competitions.siim2019.paths import FILMS, data_folder
from hounsfield.competitions.siim2019.rle_table import refuse_faults
from hounsfield.competitions.siim2019.tables import open_data_set, read_films
from hounsfield.core.counts import count_of
from hounsfield.core.errors import WrongTable, WrongUse
from hounsfield.core.evaluation.external import external_scores, write_validation
from hounsfield.core.evaluation.labels import weighted_labels
from hounsfield.core.evaluation.score_table import CLIP, System, readable
from hounsfield.core.intake.given_studies import own_identifiers
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.intake.seen_patients import naming_of, refuse_seen
from hounsfield.core.intake.sources import list_sources
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import on_training_set
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream
from hounsfield.pneumothorax.mapped_films import MappedFilms, open_maps
from hounsfield.pneumothorax.paths import SUBMIT
from hounsfield.pneumothorax.regions import submitted_mask
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, configured_folds, remedies
from hounsfield.pneumothorax.results import NAME
from hounsfield.pneumothorax.rules import film_probability
from hounsfield.pneumothorax.scores import METRIC, FilmResults, film_system, prior
from hounsfield.pneumothorax.stages.own_films import rule_for

COLUMNS = ("film_id", "patient_id", "path", "rows", "columns", "pixel_digest")
OF_ARCHIVES = Naming()  # how the competition's patients have pseudonyms
RULE, MODELS = "rule", "mean map of all networks"  # the row of the table, and what it rests on


class LabelledFilms(NamedTuple):
    """The films of a data set that are labelled."""

    films: pd.DataFrame  # COLUMNS, N rows
    tasks: list[MaskTask]  # N masks; none where the labels are 0 and 1
    shown: np.ndarray  # (N,) of 0 and 1: is there a pneumothorax?


def labelled_films(command: PneumothoraxCommand, given: Sequence[Path], labels: OwnLabels) -> LabelledFilms:
    """Which of the given films, prepared as the command's data set, are labelled.

    What fits nothing is counted in the log. Raises WrongTable where no film is labelled, none as positive, where a name
    fits several films, or where a mask cannot be one of its film.
    """
    films = read_films(open_data_set(command.work, command.data_set, remedies(command)), COLUMNS).set_index("path")
    listed = list_sources(given)
    listed = listed.take(pc.is_in(listed.labels, pa.array(films.index, pa.string())).to_numpy(zero_copy_only=False))
    names: dict[str, object] = {**labels.masks, **labels.shown}
    matched = match_films(names, listed, films.loc[listed.labels.to_pylist(), "film_id"].to_numpy(object))
    if matched.doubtful:
        raise WrongTable(
            f"{labels.source}: {count_of(len(matched.doubtful), 'names fit several films or repeat another')}; the "
            f"first: {matched.doubtful[:10]}. Name them by their paths below the folder"
        )
    if not matched.film_of:
        raise WrongTable(
            f"{labels.source}: not one of its names ({len(names)}) is of a film that is given ({len(films)}); name "
            f"them by path, file name or SOPInstanceUID, such as {films.index[0]!a}"
        )
    if matched.lost or len(matched.film_of) < len(films):
        logger.warning("%s: %d rows fit no film here; %d of %d films have no label and are not scored",
                       labels.source, len(matched.lost), len(films) - len(matched.film_of), len(films))  # fmt: skip
    name_of = {film: name for name, film in matched.film_of.items()}
    known = films[films["film_id"].isin(name_of)].reset_index()
    tasks = [
        MaskTask(film, (rows, columns), labels.masks[name_of[film]])
        for film, rows, columns in zip(known["film_id"], known["rows"], known["columns"], strict=True)
        if labels.masks
    ]
    refuse_faults(labels.source, [fault for task in tasks if (fault := check_mask(task)) is not None])
    shown = [bool(own_mask(task).any()) for task in tasks] or [labels.shown[name_of[film]] for film in known["film_id"]]
    if not any(shown):
        raise WrongTable(f"{labels.source}: none of the {len(known)} films with a label shows a pneumothorax; add some")
    return LabelledFilms(known, tasks, np.array(shown, np.int8))


def refuse_learned(
    command: PneumothoraxCommand, learned: Ledger, films: pd.DataFrame, given: Sequence[Path], what: str
) -> None:
    """Raise WrongUse where a film is of a patient that was learnt from, or has the pixels of such a film.

    films: COLUMNS. what: has learnt from them, for the message.
    """
    training = on_training_set(command)
    data = open_data_set(training.work, training.data_set, remedies(training))
    known = read_films(data, ("patient_id", "pixel_digest")).assign(study_uid="")
    naming = naming_of(data.folder, "--archive", OF_ARCHIVES)
    identifiers, table = own_identifiers(given, films), data_folder(command.work, command.data_set) / FILMS
    refuse_seen(films[["path", "patient_id"]], identifiers, learned, naming, known, what, table)
    seen = known.loc[known["patient_id"].isin(learned.rows["patient_id"]), "pixel_digest"]
    copies = films.loc[films["pixel_digest"].isin(seen), "film_id"].tolist()
    if copies:
        raise WrongUse(
            f"{what} has learnt from films with the pixels of {len(copies)} of these: {', '.join(copies[:10])}. A "
            "score on them would say nothing about others; leave them out, and start again"
        )


def validate(command: PneumothoraxCommand, answers: Upstream, labels: OwnLabels, known: LabelledFilms) -> str:
    """Score the answers for the command's data set on its labelled films; returns the table for a terminal."""

    def score() -> pd.DataFrame:
        found = _results(command, known)
        patients = known.films["patient_id"].to_numpy()
        if known.tasks:
            own = replace(film_system(RULE, command.experiment, found, known.shown), models=MODELS)
            nothing = np.empty((len(patients), 0))
            return external_scores(LABELS, [prior(known.shown), own], nothing, patients, command.data_set, METRIC)
        label_set = weighted_labels((NAME,), LABELS.row, (1.0,), CLIP)
        systems = _systems_of_labels(command, found, known.shown)
        return external_scores(label_set, systems, known.shown[:, np.newaxis], patients, command.data_set)

    return write_validation(SUBMIT, answers, labels.digest(), score, readable)


def _results(command: PneumothoraxCommand, known: LabelledFilms) -> FilmResults:
    """What the rule makes of each labelled film, at the film's own size; Dice is NaN where there is no mask."""
    folds, config = configured_folds(command), command.config.submission
    data = open_data_set(command.work, command.data_set, remedies(command))
    films, rule = MappedFilms(open_maps(command, folds), data), rule_for(command, folds).triplet
    rows = {film: row for row, film in enumerate(films.films["film_id"])}
    dice, shown, probability = (np.full(len(known.films), np.nan) for _ in range(3))
    shapes = zip(known.films["film_id"], known.films["rows"], known.films["columns"], strict=True)
    for place, (film, height, width) in enumerate(shapes):
        values = films.maps.values(rows[film])
        mask = submitted_mask(values, rule, config, (int(height), int(width)))
        shown[place], probability[place] = mask.any(), film_probability(values, rule)
        if known.tasks:
            true = own_mask(known.tasks[place])
            counts = [np.array(np.count_nonzero(one)) for one in (mask & true, mask, true)]
            dice[place] = dice_from_counts(*counts)
    return FilmResults(dice, shown > 0, probability)


def _systems_of_labels(command: PneumothoraxCommand, found: FilmResults, shown: np.ndarray) -> list[System]:
    """The share of positive films in the training set, and what the run answers. shown: (N,) of 0 and 1."""
    training = on_training_set(command)
    labels = read_films(open_data_set(training.work, training.data_set, remedies(training)), ("label",))["label"]
    share = np.full((len(shown), 1), float(labels.mean()))
    rates = {name: value for name, value in found.measures(shown).items() if not name.startswith("dice")}
    own = System(RULE, command.experiment, found.probability[:, np.newaxis], MODELS, over=0, measures=rates)
    return [System("prior", "", share, "share of positive films in the training set", ranks=False), own]
