"""What a finished run of this system says of itself, for the report.

M out-of-fold studies, 8 names.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES, VERTEBRAE
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.competitions.rsna2022.tables import read_studies
from hounsfield.core.counts import count_of
from hounsfield.core.dicom.vendors import VENDORS_BY, vendors_in_words
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.calibration import calibration_of_run
from hounsfield.core.evaluation.domain import facts_of
from hounsfield.core.evaluation.findings import read_refused
from hounsfield.core.evaluation.held_out import HeldOut, held_out_rows
from hounsfield.core.evaluation.predictions import Rows, mean_of_tables, read_predictions
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
from hounsfield.core.imaging.windows import BONE, apply_window
from hounsfield.core.stages.finished import input_of, inputs_named, member_of
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.core.storage.volumes import open_volume
from hounsfield.spine.box_quality import read_box_quality
from hounsfield.spine.findings import OUT_OF_FOLD as OUT_OF_FOLD_TABLE
from hounsfield.spine.paths import TABLE
from hounsfield.spine.scores import BAG
from hounsfield.spine.stages.predict import BAG as BAG_TABLE
from hounsfield.spine.stages.predict import BOXES, SCORES
from hounsfield.spine.study_run import SECOND_ORDER

SIDE = 256  # pixels of a plane in a picture


def report_facts(run: Upstream, remedy_of: RemedyOf) -> RunReport:
    """Read the answers and what they were made from. Raises WrongUse where they hold nothing that is out of fold."""
    data = input_of(run, "data set", remedy_of)
    members = inputs_named(run, "predictions of ", remedy_of)
    if not members or OUT_OF_FOLD_TABLE not in run.record["files"]:
        raise WrongUse(f"{run.folder} {NOTHING_HELD_OUT}")
    studies = read_studies(data)
    folds = sorted({member_of(name, "fold", "seed")[1] for name in members})
    held_out = held_out_rows(LABELS, studies, folds)
    seen = run.learned().roles_by_fold(held_out.patients, held_out.folds)
    flags = studies["flags"].fillna("").str.split().explode()
    return RunReport(
        run=run,
        task="Is any vertebra of the neck fractured on this CT, and which of C1 to C7?",
        method="A box around the neck, how much of each vertebra a slice shows, a network of slices, one of the study.",
        published="RSNA Cervical Spine Fracture Detection 2022, 3rd place",
        data_set=data.folder.name,
        drawn=bool((facts_of(None, data) or {}).get("drawn")),
        seen=seen,
        seen_by_design=SECOND_ORDER.words if (seen == "upstream").any() else "",
        levels=[study_level(run, data, members, studies, held_out)],
        scores=read_scores(run.file(SCORES)),
        calibration=calibration_of_run(run, ""),
        flow=flow(data, studies, held_out),
        spreads=spreads(studies),
        spread_of="studies",
        counts={
            VENDORS_BY.format("study"): counted(vendors_in_words(studies["vendor"])),
            "flags: what was odd about a study and was used": counted(flags),
        },
        answers={
            "selection": "no epoch is chosen by its score; the last one of each training is used",
            "combined": f"mean of {count_of(len(members), 'networks')}; a scored study has those of the fold that "
            "holds it out",
        },
    )


def study_level(
    run: Upstream, data: Upstream, members: dict[str, Upstream], studies: pd.DataFrame, held_out: HeldOut
) -> Level:
    """The level that the competition scores; each model, where there are several, and their mean."""
    labels, rows = held_out.labels.astype(np.float64), studies.iloc[held_out.rows]
    models = models_apart(members, studies, held_out)
    bag = read_predictions(run.file(BAG_TABLE), LABELS, remedy=run.remedy).set_index("study_uid")
    answers = {**(models if len(models) > 1 else {}), BAG: bag.loc[rows["study_uid"], list(NAMES)].to_numpy()}
    words = {BAG: f"mean of {count_of(len(models), 'models')}"}
    stages = [
        StageAnswers(name, found, LABELS.loss(found, labels), words.get(name, "network of the fold's own"))
        for name, found in answers.items()
    ]
    return Level(
        row="study",
        rows="studies",
        names=NAMES,
        ids=rows["study_uid"].to_numpy(str),
        patients=held_out.patients,
        folds=held_out.folds,
        labels=labels,
        stages=stages,
        how="the study network's own answer, averaged over models and seeds",
        loss="weighted log loss of the study",
        compared=(next(iter(models)), BAG) if len(models) > 1 else None,
        calibrated=calibrated_answers(run, OUT_OF_FOLD_TABLE, "study", rows["study_uid"].tolist(), NAMES),
        picture=neck_pictures(run, data, rows),
        pictures="Each neck is shown from the side, through its middle, and in the slice that shows the vertebra best.",
    )


def models_apart(members: dict[str, Upstream], studies: pd.DataFrame, held_out: HeldOut) -> dict[str, np.ndarray]:
    """By model the mean over its seeds of the M out-of-fold studies, (M, 8)."""
    rows = Rows(studies["study_uid"].to_numpy(), (studies["split"] == "test").to_numpy())
    tables: dict[str, list[tuple[str, Upstream]]] = {}
    for name, output in members.items():
        model, fold, _ = member_of(name, "fold", "seed")
        tables.setdefault(model, []).append((fold, output))
    found = {}
    for model, own in tables.items():
        places = [(one.file(TABLE), held_out.rows[held_out.folds == int(fold)]) for fold, one in own]
        found[model] = mean_of_tables(LABELS, places, rows, remedy=own[0][1].remedy)[held_out.rows]
    return found


def neck_pictures(run: Upstream, data: Upstream, rows: pd.DataFrame) -> PictureOf:
    """The neck from the side, through the middle of its box, and beside it the slice that shows the vertebra best."""
    found = read_box_quality(run.file(BOXES)).set_index("study_uid")
    spacing = rows.set_index("study_uid")[["slice_spacing_mm", "row_spacing_mm", "column_spacing_mm"]]

    def picture(row: int, column: int) -> np.ndarray:
        uid = str(rows["study_uid"].iloc[row])
        volume = open_volume(volume_path(data.work, data.folder.name, uid), remedy=data.remedy)
        one, steps = found.loc[uid], spacing.loc[uid].fillna(1.0).to_numpy(float)
        middle = int(np.clip((one["x0"] + one["x1"]) / 2, 0, volume.shape[2] - 1))
        shown = f"{NAMES[column]}_slice"
        best = one[shown] if NAMES[column] in VERTEBRAE else (one["first_slice"] + one["last_slice"]) / 2
        across = int(np.clip(np.nan_to_num(best, nan=len(volume) / 2), 0, len(volume) - 1))
        return np.hstack([_grey(volume[:, :, middle], steps[:2]), _grey(volume[across], steps[1:])])

    return picture


def _grey(plane: np.ndarray, steps_mm: np.ndarray) -> np.ndarray:
    """A plane in the bone window, its pixels square, within SIDE x SIDE: uint8. steps_mm: (2,) between its pixels."""
    size = np.array(plane.shape) * steps_mm
    rows, columns = np.maximum(1, np.round(size * SIDE / size.max())).astype(int)
    grey = (255 * apply_window(plane.astype(np.float32), BONE)).astype(np.uint8)
    framed = np.zeros((SIDE, SIDE), np.uint8)
    framed[:rows, :columns] = cv2.resize(grey, (int(columns), int(rows)), interpolation=cv2.INTER_AREA)
    return framed


def flow(data: Upstream, studies: pd.DataFrame, held_out: HeldOut) -> list[FlowStep]:
    """From the studies that were read to those that are scored; files and series were refused before, by reason."""
    refused = counted(read_refused(data)["reason"])
    known = ~np.isnan(held_out.labels.astype(np.float64)).all(axis=1)
    test = int((studies["split"] == "test").sum())
    kept = len(studies) - test
    left = [("in a fold that the run does not score", kept - len(held_out.rows)), ("no label", int((~known).sum()))]
    files = int(studies["slices"].sum())
    return [
        FlowStep("image files read", files + sum(refused.values())),
        FlowStep("slices in volumes", files, list(refused.items())),
        FlowStep("studies", len(studies)),
        FlowStep("studies with labels", kept, [("test studies: predicted, not scored", test)] if test else []),
        FlowStep("studies scored out of fold", int(known.sum()), [one for one in left if one[1]]),
    ]


def spreads(studies: pd.DataFrame) -> list[Spread]:
    """Lengths and spacings of the volumes."""
    facts = (
        ("slices", "slices in a study", "slices", "How many slices each study's volume has."),
        ("slice_spacing_mm", "slice spacing", "mm", "The median distance between neighbouring slices of a study."),
        ("row_spacing_mm", "pixel spacing", "mm", "The distance between rows of pixels."),
    )
    return [Spread(name, unit, meaning, studies[column].to_numpy(float)) for column, name, unit, meaning in facts]
