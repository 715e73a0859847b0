"""The pneumothorax system's answers, a film at a time (the functions of `Adaptor`): each film is a study of one slice.

N films with a map, S x S pixels of a map; h x w pixels of a film as it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.domain import outside
from hounsfield.competitions.siim2019.original_films import OriginalFilms
from hounsfield.competitions.siim2019.submission import sample_films
from hounsfield.competitions.siim2019.tables import open_data_set
from hounsfield.core.dicom.reason_codes import FLAGS
from hounsfield.core.evaluation.calibration import SUFFIX, Calibration, calibration_of_run
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.evaluation.findings import refused_of_studies
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.evaluation.study_findings import (
    SLICE_COLUMNS,
    ModelValues,
    PointMet,
    RunFacts,
    SeriesFindings,
    StudyAnswer,
    StudyFindings,
)
from hounsfield.core.evaluation.study_view import ReadPrepare
from hounsfield.core.imaging.series_view import GREY, Contours, Heat, Overlay, SeriesPixels
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.outputs import record_digest
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.pneumothorax.answers import Worth, worth_of
from hounsfield.pneumothorax.calibration import UNSCORED
from hounsfield.pneumothorax.config import SubmissionConfig, Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms, open_maps
from hounsfield.pneumothorax.maps import as_probabilities, as_stored
from hounsfield.pneumothorax.paths import SUBMIT, predictions_folder
from hounsfield.pneumothorax.pictures import in_proportion, outlines
from hounsfield.pneumothorax.regions import submitted_mask
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, data_set_folds, remedies
from hounsfield.pneumothorax.results import NAME, OUT_OF_FOLD, SCORES
from hounsfield.pneumothorax.rules import film_probability
from hounsfield.pneumothorax.rules import in_words as rule_in_words
from hounsfield.pneumothorax.scores import open_scored
from hounsfield.pneumothorax.stages.own_films import rule_for
from hounsfield.pneumothorax.stages.predict_films import models_of as models_of  # a function of `Adaptor`
from hounsfield.pneumothorax.stages.predict_films import predict_films

FILM = "film"  # the one series of a study, and its one picture
MODEL, NETWORK = "mean map", "network"


def predict_paths(command: PneumothoraxCommand, paths: Sequence[str], read_prepare: ReadPrepare) -> FilmAnswers:
    """Prepare and predict what the paths hold, and open the answers."""
    return open_view(predict_films(command, paths, read_prepare))


def open_view(command: PneumothoraxCommand) -> FilmAnswers:
    """What stage 65 has left for the command's data set: films out of fold and test films, or those of another one."""
    remedy_of, config, work = remedies(command), command.config.submission, command.work
    data = open_data_set(work, command.data_set, remedy_of)
    folds = data_set_folds(command, data)
    films = MappedFilms(open_maps(command, folds), data)
    answers = require(work, predictions_folder(work, command.experiment, applied_to(command)), SUBMIT, remedy_of)
    if applied_to(command):
        rule = rule_for(command, folds)
        run, rules, worth = rule.inputs.get("out-of-fold scores"), [rule.triplet] * len(films.films), rule.worth
    else:
        scored, run = open_scored(command, data, folds), answers
        rules = [config.triplet or scored.chosen.everywhere] * len(films.films)
        for row, one in zip(
            films.held_out, scored.rules(config.triplet)[scored.shown_rule(config.triplet)], strict=True
        ):
            rules[row] = one
        worth = worth_of(run, config)
    sample = sample_submission_path(work, command.data_set)
    asked = Counter(sample_films(sample)) if sample.exists() else Counter()
    return FilmAnswers(f"{NAME}/{command.experiment}", answers, data, films, rules, config, asked, worth, run)


@dataclass(frozen=True)
class FilmAnswers:
    """What a run says of the films of a data set (a StudyView)."""

    name: str  # of the run
    answers: Upstream
    data: Upstream
    films: MappedFilms
    rules: Sequence[Triplet]  # (N,) that each film is answered by; out of fold those of other folds' films
    config: SubmissionConfig
    asked: Mapping[str, int]  # rows that the sample submission has of a film
    worth: Worth
    run: Upstream | None  # stage 65 on the data set that was trained on

    @property
    def studies(self) -> Sequence[str]:
        """The films with a map."""
        return list(self._places)

    def findings(self, study: str) -> StudyFindings:
        """All numbers and words of one film."""
        row = self._places[study]
        film, label = self._film(row), self._film(row)["label"]
        probability = film_probability(self.films.maps.values(row), self.rules[row])
        raw = np.array([[probability]])
        calibrated = self._calibrated(study, raw)
        values = ModelValues(self.name, MODEL, raw, None if np.isnan(calibrated).any() else calibrated)
        words = " ".join(FLAGS.get(code, code) for code in str(film["flags"] or "").split())
        slices = pd.DataFrame([(film["path"], study, np.nan, 0, words)], columns=list(SLICE_COLUMNS))
        truth = None if pd.isna(label) else float(label)
        warnings = outside(self.films.films.iloc[[row]], self._trained_on)
        return StudyFindings(
            system=NAME,
            study=study,
            names=(NAME,),
            runs=[self._run_facts(row)],
            answers=[self._answer(row, values)],
            series=[SeriesFindings(FILM, slices, [values], None if truth is None else np.array([[truth]]))],
            truth={} if truth is None else {NAME: truth},
            warnings=[text for text in warnings if text],
            refused=self._refused[self._refused["study"] == study].drop(columns="study").reset_index(drop=True),
            picture=FILM,
        )

    def pixels(self, study: str, series: str) -> SeriesPixels:
        """The film. No header is trusted for its size in mm, or for the patient's sides."""
        grey = self._picture(self._places[study])
        return SeriesPixels(grey[np.newaxis].astype(np.int16), GREY, np.array([np.nan]), None, None)

    def overlays(self, study: str, series: str) -> Sequence[Overlay]:
        """The outline of the mask that the rule makes, that of the true mask where it is known, and the map."""
        row = self._places[study]
        true, heat = self.films.true_mask(row), self.films.maps.values(row)
        masks = {"mask by the rule": self._mask(row)} | ({} if true is None else {"true mask": true})
        shape = self._picture(row).shape
        found: list[Overlay] = [Contours(name, (outlines(mask, shape),)) for name, mask in masks.items()]
        return [*found, Heat("probability map", NAME, as_stored(as_probabilities(heat), "uint8")[np.newaxis])]

    @cached_property
    def _places(self) -> dict[str, int]:
        """The row of each film, among those with a map."""
        return {str(film): row for row, film in enumerate(self.films.films["film_id"])}

    def _film(self, row: int) -> pd.Series[Any]:
        return self.films.films.iloc[row]

    @cached_property
    def _originals(self) -> OriginalFilms:
        return OriginalFilms(self.data)

    def _picture(self, row: int) -> np.ndarray:
        """The film at its own size where its file is still there; else as it was prepared, in its own proportions."""
        film = self._film(row)
        grey = self._originals.grey(film["path"], film["pixel_digest"])
        return in_proportion(self.films.image(row), self._shape(row)) if grey is None else grey

    def _shape(self, row: int) -> tuple[int, int]:
        """Rows and columns of the film as it came."""
        film = self._film(row)
        return int(film["rows"]), int(film["columns"])

    def _mask(self, row: int) -> np.ndarray:
        """What stage 65 submits, or scores, (rows, columns) bool."""
        count = self.asked.get(self._film(row)["film_id"], 1)
        return submitted_mask(self.films.maps.values(row), self.rules[row], self.config, self._shape(row), count)

    @cached_property
    def _trained_on(self) -> Mapping[str, Any] | None:
        facts: Mapping[str, Any] | None = self.films.maps.output.record["facts"].get("trained_on")
        return facts

    @cached_property
    def _calibration(self) -> Calibration:
        return calibration_of_run(self.answers, UNSCORED)

    @cached_property
    def _nested(self) -> pd.Series[float]:
        """The calibrated probability of out-of-fold films, by calibrators of other patients, by film."""
        if OUT_OF_FOLD not in self.answers.record["files"]:
            return pd.Series(dtype=float)
        table = pd.read_csv(self.answers.file(OUT_OF_FOLD), dtype={"film_id": str})
        return table.set_index("film_id")[f"probability{SUFFIX}"].astype(float)

    def _calibrated(self, study: str, raw: np.ndarray) -> np.ndarray:
        """(1, 1), NaN where nothing is calibrated."""
        if study in self._nested.index:
            return np.array([[self._nested[study]]])
        return self._calibration.apply("study", raw)

    def _networks(self, row: int) -> dict[str, str]:
        """Folder and digest of the networks behind a film's map; out of fold of the one fold that holds it out."""
        inputs, fold = self.films.maps.output.record["inputs"], self._film(row)["fold"]
        own = f"{NETWORK} fold {fold}"
        used = [one for name, one in inputs.items() if name == own or (own not in inputs and name.startswith(NETWORK))]
        return {str(Path(one["record"]).parent): one["sha256"] for one in used}

    def _run_facts(self, row: int) -> RunFacts:
        scored = self.run is not None and SCORES in self.run.record["files"]
        scores = read_scores(self.run.file(SCORES)) if self.run is not None and scored else pd.DataFrame()
        return RunFacts(
            name=self.name,
            digest=record_digest(self.answers.record),
            models=self._networks(row),
            trained_on=in_words(self._trained_on, "what the networks learnt from"),
            scored_on=self.worth.scored_on,
            scores=scores.to_dict("records"),
        )

    def _answer(self, row: int, values: ModelValues) -> StudyAnswer:
        rule, mask, value = self.rules[row], self._mask(row), float(values.raw[0, 0])
        known = [None if np.isnan(one) else float(one) for one in (self.worth.sensitivity, self.worth.specificity)]
        shown = f"the mask covers {100 * mask.mean():.2f} % of the film" if mask.any() else "no pneumothorax by it"
        how = f"rule on the mean map: {rule_in_words(rule)}; {shown}; {self.worth.scored_on}"
        points = [PointMet.of(point, value) for point in self._calibration.points("study").get(NAME, ())]
        by_rule = PointMet("rule", rule.top, bool(mask.any()), known[0], known[1])
        calibrated = None if values.calibrated is None else float(values.calibrated[0, 0])
        return StudyAnswer(self.name, NAME, value, calibrated, how, [by_rule, *points])

    @cached_property
    def _refused(self) -> pd.DataFrame:
        return refused_of_studies(self.data, self.films.films.rename(columns={"film_id": "study", "path": "file"}))
