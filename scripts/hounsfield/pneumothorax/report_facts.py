"""What a finished run of this system says of itself, for the report.

M out-of-fold films.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.tables import read_films
from hounsfield.core.dicom.vendors import VENDORS_BY, vendors_in_words
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.calibration import calibration_of_run
from hounsfield.core.evaluation.domain import facts_of
from hounsfield.core.evaluation.findings import read_refused
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD as UNSEEN_ROWS
from hounsfield.core.evaluation.run_report import (
    NOTHING_HELD_OUT,
    FlowStep,
    Level,
    PictureOf,
    RunReport,
    Spread,
    StageAnswers,
    calibrated_answers,
    counted,
)
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.stages.finished import input_of, inputs_named
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.core.storage.tables import escape_cell
from hounsfield.pneumothorax.choice import read_choice
from hounsfield.pneumothorax.config import SubmissionConfig, Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms
from hounsfield.pneumothorax.maps import Maps
from hounsfield.pneumothorax.regions import submitted_mask
from hounsfield.pneumothorax.results import NAME, OUT_OF_FOLD, SCORES
from hounsfield.pneumothorax.scores import NESTED_RULE, Scored

TRUE, PREDICTED = (48, 209, 88), (255, 69, 58)  # of outlines, red, green and blue
SIDE = 320  # pixels of a picture


def report_facts(run: Upstream, remedy_of: RemedyOf) -> RunReport:
    """Read the submission and what it was made from. Raises WrongUse where it holds nothing that is out of fold."""
    maps = inputs_named(run, "maps of ", remedy_of)
    if SCORES not in run.record["files"]:
        raise WrongUse(f"{run.folder} {NOTHING_HELD_OUT}")
    data, experiment = input_of(run, "data set", remedy_of), list(maps)[-1]  # of a blend the blend itself is last
    films = MappedFilms(Maps(maps[experiment]), data)
    thresholds = input_of(run, f"thresholds of {experiment}", remedy_of)
    scored, config = Scored(experiment, films, thresholds, read_choice(thresholds)), submission_config(run)
    seen = run.learned().roles_by_fold(films.patients, films.folds)
    scores, table = read_scores(run.file(SCORES)), read_films(data)
    answer = scores[(scores["system"] == scored.shown_rule(config.triplet)) & (scores["experiment"] == experiment)]
    ledger = str(answer["ledger"].iloc[0])
    return RunReport(
        run=run,
        task="Does a chest film show a pneumothorax, and where?",
        method="Encoder-decoder networks of a probability for each pixel; a rule of three thresholds makes the mask.",
        published="SIIM-ACR Pneumothorax Segmentation 2019, 1st place",
        data_set=data.folder.name,
        drawn=bool((facts_of(None, data) or {}).get("drawn")),
        seen=seen,
        seen_by_design="" if ledger == UNSEEN_ROWS else ledger,
        levels=[film_level(run, scored, config)],
        scores=scores,
        calibration=calibration_of_run(run, ""),
        flow=flow(data, table, films),
        spreads=spreads(table),
        spread_of="films",
        counts=counts(table),
        answers={
            "selection": "each part of a training keeps the epochs that its setting `kept` says: the best or the last",
            "combined": "mean map over the kept epochs, and over the film and its mirror image where `flip` says so",
        },
    )


def submission_config(run: Upstream) -> SubmissionConfig:
    """How masks were made, by the run's record."""
    settings = dict(run.record["settings"]["submission"])
    triplet = settings.pop("triplet")
    return SubmissionConfig(**settings, triplet=None if triplet is None else Triplet(**triplet))


def film_level(run: Upstream, scored: Scored, config: SubmissionConfig) -> Level:
    """The films, by the rule that was fixed beforehand, where there is one, and by the rule that answers."""
    films, shown = scored.films, scored.shown_rule(config.triplet)
    rows, ids = films.films.iloc[films.held_out], films.films["film_id"].iloc[films.held_out].tolist()
    table = pd.read_csv(run.file(OUT_OF_FOLD), dtype={"film_id": str})
    table = table.set_index("film_id").loc[[escape_cell(one) for one in ids]]
    earlier = [name.removeprefix("dice_") for name in table.columns if name.startswith("dice_")]
    columns = {**{name: f"_{name}" for name in earlier}, shown: ""}
    stages = [
        StageAnswers(
            name,
            table[[f"probability{end}"]].to_numpy(np.float64),
            1 - table[f"dice{end}"].to_numpy(np.float64),
            "rule chosen on the other folds' maps" if name == NESTED_RULE else "rule fixed beforehand",
        )
        for name, end in columns.items()
    ]
    return Level(
        row="film",
        rows="films",
        names=(NAME,),
        ids=rows["film_id"].to_numpy(str),
        patients=films.patients,
        folds=films.folds,
        labels=films.labels[:, np.newaxis].astype(np.float64),
        stages=stages,
        how="the highest probability at which the rule's first threshold and area would still see one",
        loss="1 - Dice of the film",
        compared=(earlier[0], shown) if earlier else None,
        calibrated=calibrated_answers(run, OUT_OF_FOLD, "film_id", ids, ["probability"]),
        pictures="Outlines on the films: truth green, prediction red.",
        picture=film_pictures(films, scored.rules(config.triplet)[shown], config),
    )


def film_pictures(films: MappedFilms, rules: list[Triplet], config: SubmissionConfig) -> PictureOf:
    """Films with the outlines of truth (green) and of the predicted mask (red)."""

    def picture(place: int, _column: int) -> np.ndarray:
        row, size = int(films.held_out[place]), films.image_size
        shown = cv2.cvtColor(
            cv2.resize(films.image(row), (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR
        )
        predicted = submitted_mask(films.maps.values(row), rules[place], config, (size, size))
        for mask, colour in ((films.true_mask(row), TRUE), (predicted, PREDICTED)):
            if mask is not None and mask.any():
                small = cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
                outlines, _ = cv2.findContours(small, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
                cv2.drawContours(shown, outlines, -1, colour[::-1], 1)
        return shown

    return picture


def flow(data: Upstream, table: pd.DataFrame, films: MappedFilms) -> list[FlowStep]:
    """From the files that were read to the films that are scored, with every reason."""
    refused = counted(read_refused(data)["reason"])
    test = int((table["split"] == "test").sum())
    kept = len(table) - test
    elsewhere = kept - len(films.held_out)
    return [
        FlowStep("image files read", len(table) + sum(refused.values())),
        FlowStep("films prepared", len(table), list(refused.items())),
        FlowStep("films with labels", kept, [("test films: predicted, not scored", test)] if test else []),
        FlowStep(
            "films scored out of fold",
            len(films.held_out),
            [("in a fold that the run does not score", elsewhere)] if elsewhere else [],
        ),
    ]


def spreads(table: pd.DataFrame) -> list[Spread]:
    """Sizes of films and of what they show."""
    share = 100 * table["mask_share"].where(table["label"] == 1)
    return [
        Spread("rows of a film", "pixels", "The height of each film as it came.", table["rows"].to_numpy(float)),
        Spread(
            "area of a pneumothorax", "% of the film", "The share of a positive film that its mask covers.",
            share.dropna().to_numpy(float),
        ),
    ]  # fmt: skip


def counts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Views, how stored values became grey levels, and flags."""
    flags = table["flags"].fillna("").str.split().explode().dropna()
    return {
        VENDORS_BY.format("film"): counted(vendors_in_words(table["vendor"])),
        "view of the films": counted(table["view_position"].replace("", "not recorded")),
        "grey levels by": counted(table["window_used"]),
        "flags: what was odd about a film and was used": counted(flags),
    }
