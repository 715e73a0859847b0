"""The rows of this system's table of scores: each experiment's maps by several rules, on out-of-fold films.

M out-of-fold films.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hounsfield.competitions.siim2019.labels import dice_from_counts
from hounsfield.core.evaluation.out_of_fold import ByDesign
from hounsfield.core.evaluation.score_table import System
from hounsfield.core.logs import progress
from hounsfield.core.stages.ledger import Ledger, gravest
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.pneumothorax.choice import ChosenRules, read_choice
from hounsfield.pneumothorax.config import PUBLISHED_RULE, SubmissionConfig, Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms, open_maps_of
from hounsfield.pneumothorax.paths import THRESHOLDS, thresholds_folder
from hounsfield.pneumothorax.regions import submitted_mask
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, remedies
from hounsfield.pneumothorax.rules import film_probability

METRIC = "one_minus_dice"  # the column of the competition's loss
# how a row leaks, in few words: the epochs were chosen by the fold that is scored, as published; the rule was chosen on
# other folds' maps, whose networks have seen the patients that are scored; or on the very films that are scored
EARLY_STOP, SECOND_ORDER, OPTIMISTIC = "epochs chosen by the scored fold", "second-order rule", "optimistic rule"
KINDS = (np.float64, bool, np.float64)  # of the columns of FilmResults
GIVEN_RULE, NESTED_RULE, OPTIMISTIC_RULE = "given_rule", "nested_rule", "optimistic_rule"


class FilmResults(NamedTuple):
    """What one rule makes of each out-of-fold film."""

    dice: np.ndarray  # (M,) float64, at the prepared size
    shown: np.ndarray  # (M,) bool: its mask is not empty
    probability: np.ndarray  # (M,) that it shows a pneumothorax

    def measures(self, labels: np.ndarray) -> dict[str, np.ndarray]:
        """What is averaged, (M,) by name; NaN where a film does not count. labels: (M,) of 0 and 1."""
        shown, positive = self.shown.astype(np.float64), labels == 1
        return {
            "dice": self.dice,
            "dice_on_positives": np.where(positive, self.dice, np.nan),
            "sensitivity": np.where(positive, shown, np.nan),
            "specificity": np.where(positive, np.nan, 1 - shown),
        }


class Scored(NamedTuple):
    """The maps of one experiment, and the rules to score them by."""

    experiment: str
    films: MappedFilms
    thresholds: Upstream
    chosen: ChosenRules

    @property
    def ledger(self) -> Ledger:
        """Whom each fold's rule and networks have seen, and those of the test films."""
        return Ledger.joined([self.thresholds.learned(), self.films.maps.output.learned()])

    def rules(self, given: Triplet | None) -> dict[str, list[Triplet]]:
        """By the name of a row of the table, the rule of each out-of-fold film. given: by the configuration."""
        count, nested = len(self.films.held_out), self.chosen.nested(self.films.folds)
        fixed = {"published_rule": [PUBLISHED_RULE] * count} if given is None else {GIVEN_RULE: [given] * count}
        found = fixed | ({NESTED_RULE: nested} if nested else {})
        return found | {OPTIMISTIC_RULE: [self.chosen.everywhere] * count}

    def shown_rule(self, given: Triplet | None) -> str:
        """The name of the row whose films a gallery shows: of what is given, else of what was chosen on other films."""
        names = list(self.rules(given))
        return NESTED_RULE if NESTED_RULE in names and given is None else names[0]


def open_scored(command: PneumothoraxCommand, data: Upstream, folds: Sequence[int]) -> Scored:
    """The maps and the rules of one experiment. Raises MissingInput or StaleOutput with the commands that make them."""
    maps = open_maps_of(command, folds)
    folder = thresholds_folder(command.work, command.experiment)
    found = require(command.work, folder, THRESHOLDS, remedies(command))
    check_made(found, found.record["settings"], made_from={"maps": maps.output})
    return Scored(command.experiment, MappedFilms(maps, data), found, read_choice(found))


def film_results(
    films: MappedFilms, rules: Mapping[str, Sequence[Triplet]], config: SubmissionConfig
) -> dict[str, FilmResults]:
    """What each of several rules makes of every out-of-fold film; each map is read once. rules: M by name."""
    columns: dict[str, list[tuple[float, bool, float]]] = {name: [] for name in rules}
    rows = progress(films.held_out.tolist(), total=len(films.held_out), unit="film", label="score")
    for place, row in enumerate(rows):
        values, true = films.maps.values(row), films.true_mask(row)
        known: dict[Triplet, tuple[float, bool, float]] = {}
        for name, own in rules.items():
            rule = own[place]
            if rule not in known:
                known[rule] = _result(values, true, rule, config, films.image_size)
            columns[name].append(known[rule])
    return {
        name: FilmResults(
            *(np.array(column, kind) for column, kind in zip(zip(*found, strict=True), KINDS, strict=True))
        )
        for name, found in columns.items()
    }


def _result(
    values: np.ndarray, true: np.ndarray | None, rule: Triplet, config: SubmissionConfig, size: int
) -> tuple[float, bool, float]:
    mask = submitted_mask(values, rule, config, (size, size))
    found = np.count_nonzero(mask)
    both, wanted = (0, 0) if true is None else (np.count_nonzero(mask & true), np.count_nonzero(true))
    dice = dice_from_counts(np.array(both), np.array(found), np.array(wanted))
    return float(dice), bool(found), film_probability(values, rule)


def prior(labels: np.ndarray) -> System:
    """The submission in which no film shows a pneumothorax. labels: (M,)."""
    empty = FilmResults((labels == 0).astype(np.float64), np.zeros(len(labels), bool), np.zeros(len(labels)))
    return replace(film_system("prior", "", empty, labels), models="every mask is empty", over=None, ranks=False)


def scored_systems(scored: Scored, results: Mapping[str, FilmResults]) -> Iterator[System]:
    """One experiment's rows: by the fixed rule, by the one chosen on other folds, by the one chosen on these films."""
    films, maps = scored.films, scored.films.maps.output.learned()
    of_maps = maps.roles_by_fold(films.patients, films.folds)
    of_rules = {NESTED_RULE: scored.thresholds.learned().roles_by_fold(films.patients, films.folds)}
    of_rules[OPTIMISTIC_RULE] = np.full(len(films.patients), "train", object)
    for name, found in results.items():
        seen = gravest([of_maps, of_rules[name]]) if name in of_rules else of_maps
        system = film_system(name, scored.experiment, found, films.labels)
        yield replace(system, seen=seen, by_design=_leak(name, of_maps))


def film_system(name: str, experiment: str, found: FilmResults, labels: np.ndarray) -> System:
    """A row of the table, compared with the first one. labels: (M,)."""
    chosen = {NESTED_RULE: "chosen on the other folds' maps", OPTIMISTIC_RULE: "chosen on the films scored: optimistic"}
    return System(
        name,
        experiment,
        found.dice[:, np.newaxis],
        f"mean map of the fold that holds the patient out; rule {chosen.get(name, 'fixed beforehand')}",
        over=0,
        measures=found.measures(labels),
        rankings={"auc": (found.probability, labels)},
    )


def _leak(name: str, of_maps: np.ndarray) -> ByDesign:
    """How a row's models may have seen the patients that it is scored on. of_maps: (M,) roles, of the maps' ledger."""
    words, roles = [], []
    if (of_maps == "early_stop").any():
        words, roles = [EARLY_STOP], ["early_stop"]
    if name == NESTED_RULE:
        words, roles = [*words, SECOND_ORDER], [*roles, "upstream"]
    if name == OPTIMISTIC_RULE:
        words, roles = [*words, OPTIMISTIC], [*roles, "train"]
    return ByDesign("; ".join(words), tuple(roles))
