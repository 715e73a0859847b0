"""What a report says of a data set of this competition's kind: from files to slices, spacings, studies, pictures.

N slices of the data set, M of them scored, S studies, C names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.answers import (
    ANSWER_COLUMNS,
    OUT_OF_FOLD,
    STUDIES_OUT_OF_FOLD,
    answer_slices,
    rule_of_run,
)
from hounsfield.competitions.rsna2019.paths import images_folder
from hounsfield.core.dicom.vendors import VENDORS_BY, vendors_in_words
from hounsfield.core.errors import MissingInput
from hounsfield.core.evaluation.by_study import labels_by_unit
from hounsfield.core.evaluation.calibration import calibration_of_run
from hounsfield.core.evaluation.findings import read_refused
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.run_report import (
    FlowStep,
    Level,
    PictureOf,
    RunReport,
    Spread,
    StageAnswers,
    calibrated_answers,
    counted,
)
from hounsfield.core.evaluation.score_table import System, read_scores
from hounsfield.core.evaluation.study_rule import RULE, Studies, study_values
from hounsfield.core.imaging.boxes import Box, crop_to_square
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.image_files import image_path, read_image

PICTURE_COLUMNS = ("image_crc32", "x0", "y0", "x1", "y1")
PLACE_COLUMNS = ("split", "fold", "patient_id", "row_spacing_mm", "transfer_syntax", "vendor")
REPORT_COLUMNS = tuple(dict.fromkeys((*ANSWER_COLUMNS, *PICTURE_COLUMNS, *PLACE_COLUMNS)))  # of slices, and the labels
TEST, UNLABELLED = "test slices: predicted, not scored", "no label"
LOSS = "weighted log loss of the slice"


class ScoredSlices(NamedTuple):
    """The held-out slices of a run, and what each of its stages says of them."""

    data: Upstream
    label_set: LabelSet
    slices: pd.DataFrame  # N rows with REPORT_COLUMNS and the labels
    held_out: HeldOut
    systems: Sequence[System]  # without the prior; the last is what the run answers
    compared: tuple[str, str] | None  # names of two systems


def report_of_slices(
    run: Upstream,
    scored: ScoredSlices,
    *,
    method: str,
    published: str,
    drawn: bool,
    seen_by_design: str,
    answers: Mapping[str, str],
) -> RunReport:
    """The report of a run of any system of this competition's kind. What differs between systems: as in `RunReport`."""
    data, slices, held_out = scored.data, scored.slices, scored.held_out
    return RunReport(
        run=run,
        task="Which kinds of intracranial hemorrhage does each slice of a head CT show?",
        method=method,
        published=published,
        data_set=data.folder.name,
        drawn=drawn,
        seen=run.learned().roles_by_fold(held_out.patients, held_out.folds),
        seen_by_design=seen_by_design,
        levels=levels(run, scored),
        scores=read_scores(run.file("scores.csv")),
        calibration=calibration_of_run(run, ""),
        flow=flow(data, slices, held_out),
        spreads=spreads(slices),
        spread_of="series",
        counts=counts(slices),
        answers=answers,
    )


def told_apart(systems: Sequence[System]) -> list[System]:
    """The same, the experiment behind the name where several experiments have a system of it."""
    names = [one.name for one in systems]
    return [
        replace(one, name=f"{one.name} ({one.experiment})") if names.count(one.name) > 1 else one for one in systems
    ]


def levels(run: Upstream, scored: ScoredSlices) -> list[Level]:
    """Slices and studies; studies alone where slices bear the labels of their study or series."""
    studies = study_level(run, scored)
    return [studies] if scored.label_set.given_for != "row" else [slice_level(run, scored), studies]


def slice_level(run: Upstream, scored: ScoredSlices) -> Level:
    """The level that the competition scores."""
    held_out, labels = scored.held_out, scored.held_out.labels.astype(np.float64)
    rows = scored.slices.iloc[held_out.rows]
    return Level(
        row="slice",
        rows="slices",
        names=scored.label_set.names,
        ids=rows["image_id"].to_numpy(str),
        patients=held_out.patients,
        folds=held_out.folds,
        labels=labels,
        stages=[
            StageAnswers(one.name, one.probabilities, scored.label_set.loss(one.probabilities, labels), one.models)
            for one in scored.systems
        ],
        how="as the models give it",
        loss=LOSS,
        compared=scored.compared,
        calibrated=calibrated_answers(run, OUT_OF_FOLD, "image_id", rows["image_id"].tolist(), scored.label_set.names),
        picture=slice_pictures(scored.data, rows),
        pictures="Each slice is shown in the brain and in the subdural window, cut to the head.",
    )


def study_level(run: Upstream, scored: ScoredSlices) -> Level:
    """Studies, by the rule from slices to studies that was chosen on the run's out-of-fold studies."""
    names, held_out = scored.label_set.names, scored.held_out
    rule = rule_of_run(scored.label_set, run, f"the run holds no {RULE}")
    rows = answer_slices(scored.slices.iloc[held_out.rows].reset_index(drop=True))
    places = Studies(*(rows[name].to_numpy() for name in ("study", "series", "order")))
    _, first, labels = labels_by_unit(places.study, held_out.labels)
    ids = np.sort(np.unique(places.study.astype(str)))
    stages = []
    for one in scored.systems:
        values = study_values(one.probabilities, places, rule.neighbours).loc[ids].to_numpy()
        stages.append(StageAnswers(one.name, values, scored.label_set.loss(values, labels), one.models))
    return Level(
        row="study",
        rows="studies",
        names=names,
        ids=ids,
        patients=held_out.patients[first],
        folds=held_out.folds[first],
        labels=labels,
        stages=stages,
        how=f"{rule.name}, over the study's slices; {rule.scored_on}",
        loss="weighted log loss of the study",
        compared=scored.compared,
        calibrated=calibrated_answers(run, STUDIES_OUT_OF_FOLD, "study", ids.tolist(), names),
        picture=None,
    )


def slice_pictures(data: Upstream, rows: pd.DataFrame) -> PictureOf:
    """Slices in the brain and the subdural window, side by side, cut to the head."""
    folder, table = images_folder(data.work, data.folder.name), rows[["image_id", *PICTURE_COLUMNS]]

    def picture(row: int, _column: int) -> np.ndarray:
        one = table.iloc[row]
        path = image_path(folder, str(one["image_id"]))
        if pd.isna(one["image_crc32"]):
            raise MissingInput(f"{path}: the data set has no prepared images; prepare it with: {data.remedy} --force")
        image = read_image(path, int(one["image_crc32"]), remedy=data.remedy)
        head = crop_to_square(image, Box(*(int(one[name]) for name in ("x0", "y0", "x1", "y1"))))
        return np.hstack([head[..., 0], head[..., 1]])

    return picture


def flow(data: Upstream, slices: pd.DataFrame, held_out: HeldOut) -> list[FlowStep]:
    """From the files that were read to the slices that are scored, with every reason."""
    refused = counted(read_refused(data)["reason"])
    known = ~np.isnan(held_out.labels.astype(np.float64)).all(axis=1)
    split = counted(slices["split"])
    kept = split.get("train", 0)
    out = [(words, split.get(name, 0)) for name, words in (("test", TEST), ("unlabelled", UNLABELLED))]
    steps = [
        FlowStep("image files read", len(slices) + sum(refused.values())),
        FlowStep("slices prepared", len(slices), list(refused.items())),
        FlowStep("slices with labels", kept, [one for one in out if one[1]]),
    ]
    elsewhere = [
        ("in a fold that the run does not score", kept - len(held_out.rows)),
        (UNLABELLED, int((~known).sum())),
    ]
    return [*steps, FlowStep("slices scored out of fold", int(known.sum()), [one for one in elsewhere if one[1]])]


def spreads(slices: pd.DataFrame) -> list[Spread]:
    """Lengths of series, and the distance between their slices."""
    groups = slices.groupby("series")
    step = groups["normal_mm"].diff().abs().groupby(slices["series"]).median()
    return [
        Spread("slices in a series", "slices", "How many slices each series holds.", groups.size().to_numpy(float)),
        Spread(
            "slice spacing", "mm", "The median distance between neighbouring slices of a series.", step.to_numpy(float)
        ),
        Spread(
            "pixel spacing",
            "mm",
            "The distance between rows of pixels.",
            groups["row_spacing_mm"].first().to_numpy(float),
        ),
    ]


def counts(slices: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How often each manufacturer, each flag and each transfer syntax was found."""
    flags = slices["flags"].fillna("").str.split().explode().dropna()
    return {
        VENDORS_BY.format("series"): counted(vendors_in_words(slices.drop_duplicates("series_uid")["vendor"])),
        "flags: what was odd about a slice and was used": counted(flags),
        "transfer syntax of the files": counted(slices["transfer_syntax"].fillna("not recorded")),
    }
