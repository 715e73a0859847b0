"""From slices in order, labels and segmentations to the tables of studies and of slices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.config import PrepareConfig
from hounsfield.competitions.rsna2022.folds import check_folds, folds_by_fracture, published_folds
from hounsfield.competitions.rsna2022.labels import NAMES, OVERALL
from hounsfield.competitions.rsna2022.segmentations import (
    Grid,
    SegmentationTask,
    SliceCounts,
    count_all,
    ratios,
    study_of_segmentation,
)
from hounsfield.competitions.rsna2022.source import Source, segmentation_files
from hounsfield.competitions.rsna2022.stacks import study_flags, usual_step, z_direction
from hounsfield.competitions.rsna2022.tables import BOX, RATIOS, TEST_FOLD, VOXELS
from hounsfield.core.counts import count_of
from hounsfield.core.dicom.stacks import ORIENTATION, POSITION
from hounsfield.core.errors import WrongTable
from hounsfield.core.folds.own_data import fold_table
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.logs import logger

SPACING = ("row_spacing_mm", "column_spacing_mm")


class StudyTables(NamedTuple):
    """The studies (STUDY_SCHEMA) and slices (SLICE_SCHEMA), and path, reason and message of what is left out."""

    studies: pd.DataFrame
    slices: pd.DataFrame
    left_out: pd.DataFrame


def labelled_studies(source: Source, slices: pd.DataFrame, config: PrepareConfig) -> StudyTables:
    """The studies with split, labels and fold, and the slices of those that are used. Raises WrongTable.

    slices: as `volume_slices` gives them.
    """
    studies = pd.DataFrame([_facts(str(study), rows, source.headers) for study, rows in slices.groupby("study_uid")])
    labels = pd.DataFrame(np.nan, studies["study_uid"], list(NAMES))
    if source.labels is not None:
        if not source.named_by_folder:
            _refuse_foreign(source.labels, slices, source.options[source.options.index("--labels") + 1])
        labels = source.labels[list(NAMES)].reindex(studies["study_uid"])
    studies[list(NAMES)] = labels.to_numpy()
    labelled = labels.notna().any(axis=1).to_numpy()
    is_test = studies["study_uid"].isin(list(source.test_studies)).to_numpy()
    if not source.named_by_folder:
        is_test = ~labelled
    studies.loc[is_test, list(NAMES)] = np.nan
    studies["split"] = np.where(is_test, "test", "train")
    studies["fold"] = np.full(len(studies), TEST_FOLD, np.int8)
    no_row, train = ~is_test & ~labelled, ~is_test & labelled
    no_fold = np.zeros(len(studies), bool)
    if train.any():
        studies.loc[train, "fold"] = _folds(source, studies[train], config)
        no_fold = train & (studies["fold"] == TEST_FOLD).to_numpy()
        used = studies[train & ~no_fold]
        check_folds(used["fold"].to_numpy(), used["patient_id"], used[list(NAMES)], config.fold_count)
    left_out = [
        _left_out(slices, studies["study_uid"][no_row], "no_row", "its study has no known label in the table"),
        _left_out(slices, studies["study_uid"][no_fold], "no_fold", "its study is not in the table of folds"),
    ]
    studies = studies[~no_row & ~no_fold].reset_index(drop=True)
    kept = slices[slices["study_uid"].isin(studies["study_uid"])].reset_index(drop=True)
    return StudyTables(studies, kept, pd.concat(left_out, ignore_index=True))


def _refuse_foreign(labels: pd.DataFrame, slices: pd.DataFrame, table: str) -> None:
    """Raise WrongTable where one's own labels fit no study: all studies would be taken for ones without labels."""
    if labels.index.isin(slices["study_uid"]).any():
        return
    of_series = labels.index.isin(slices["series_uid"]).any()
    hint = "they are SeriesInstanceUIDs; give" if of_series else "give"
    count = slices["study_uid"].nunique()
    raise WrongTable(
        f"{table}: none of its {len(labels)} rows is of one of the {count} studies; {hint} StudyInstanceUIDs"
    )


def unmatched(source: Source, studies: pd.DataFrame) -> pd.DataFrame:
    """The rows of the label table whose study is not there, or not used: study_uid and line."""
    rows = pd.DataFrame({"study_uid": [], "line": []}) if source.labels is None else source.labels.reset_index()
    return rows.loc[~rows["study_uid"].isin(studies["study_uid"]), ["study_uid", "line"]]


def segmented(source: Source, tables: StudyTables, jobs: int | None, dask_scheduler: str | None) -> StudyTables:
    """The same tables with what the segmentations say of each slice, and the refusals of those that are not used."""
    by_study = {str(study): rows for study, rows in tables.slices.groupby("study_uid")}
    tasks, refused, names = [], [], shown_segmentations(source)
    for study, files in sorted(segmentation_files(source).items()):
        if study not in by_study:
            fact = "is named after no study that is used"
            refused += [(one.label, "segmentation_unknown_study", fact) for one in files]
            continue
        tasks.append(SegmentationTask(study, files[0], _grid(by_study[study])))
        fact = f"{names[files[0].label]} is used"
        refused += [(one.label, "segmentation_repeated", fact) for one in files[1:]]
    counted = count_all(tasks, jobs=jobs, dask_scheduler=dask_scheduler)
    refused += [(one.path, one.reason, one.message) for one in counted.values() if one.reason]
    refused = [(names[label], reason, message) for label, reason, message in refused]
    used = {study: one for study, one in counted.items() if not one.reason}
    slices = pd.concat([_with_counts(rows, used.get(study)) for study, rows in by_study.items()], ignore_index=True)
    flags = [_with_flags(*one, used) for one in zip(tables.studies["study_uid"], tables.studies["flags"], strict=True)]
    studies = tables.studies.assign(has_segmentation=tables.studies["study_uid"].isin(list(used)), flags=flags)
    listed = pd.DataFrame(refused, columns=["path", "reason", "message"], dtype=str)
    return StudyTables(studies, slices, pd.concat([tables.left_out, listed], ignore_index=True))


def shown_segmentations(source: Source) -> dict[str, str]:
    """What each segmentation is called where it is listed, by its label.

    One's own are named after the StudyInstanceUID of a header, which is told nowhere: the pseudonym, and the file's
    number in its folder, by which a person finds it.
    """
    files = list(source.segmentations)
    if source.named_by_folder:
        return {file.label: file.label for file in files}
    names = [source.studies.pseudonym(study_of_segmentation(file) or file.name) for file in files]
    return {
        file.label: f"segmentation {number} of {len(files)} by name ({name})"
        for number, (file, name) in enumerate(zip(files, names, strict=True), 1)
    }


def log_studies(tables: StudyTables, ignored: int) -> None:
    """Say what was kept and what is odd about it. ignored: other files."""
    studies, train = tables.studies, tables.studies["split"] == "train"
    logger.info(
        "%s of %s in %s; %d training (%d with a fracture), %d test; %d segmented; %s ignored",
        count_of(len(studies), "studies"), count_of(studies["patient_id"].nunique(), "patients"),
        count_of(len(tables.slices), "slices"), train.sum(), (studies[OVERALL] > 0.5).sum(), (~train).sum(),
        studies["has_segmentation"].sum(), count_of(ignored, "other files"),
    )  # fmt: skip
    if train.any():
        used = studies[train].reset_index(drop=True)
        table = fold_table(used["fold"].to_numpy(), used["patient_id"], used[list(NAMES)], rows="studies")
        logger.info("folds (fractured studies):\n%s", table)
    both = set(studies["patient_id"][train]) & set(studies["patient_id"][~train])
    if both:
        logger.warning("patients both in training and test: %d", len(both))
    for of, frame in (("studies", studies), ("slices", tables.slices)):
        for flag, count in frame["flags"].str.split().explode().value_counts().items():
            logger.info("flagged %s: %s", count_of(count, of), flag)


def _facts(study: str, rows: pd.DataFrame, headers: Naming) -> dict[str, object]:
    """One study's row but split, labels and fold. rows: its slices from head to feet."""
    places, numbers = rows["z_mm"].to_numpy(float), rows["slice_number"].to_numpy()
    patients = rows[["patient_order", "header_patient"]].drop_duplicates()
    flags = study_flags(places, rows["flags"]) + ["other_series_left_out"] * bool(rows["has_others"].any())
    return {
        "study_uid": study,
        "patient_id": rows["patient_id"].iloc[0],
        # what the patient is known by under any pseudonyms; kept nowhere
        "known_by": min(headers.order(*one) for one in patients.itertuples(index=False, name=None)),
        "slices": len(rows),
        "rows": rows["rows"].iloc[0],
        "columns": rows["columns"].iloc[0],
        **{name: float(rows[name].median()) for name in SPACING},
        "slice_spacing_mm": usual_step(places),
        "vendor": next(iter(rows["vendor"].dropna()), None),
        "z_direction": z_direction(numbers, places),
        "flags": " ".join(flags),
    }


def _folds(source: Source, train: pd.DataFrame, config: PrepareConfig) -> np.ndarray:
    if source.folds is not None:
        logger.info("folds as published in %s", source.folds_in)
        return published_folds(source.folds, source.folds_in, train["study_uid"])
    known_by = train.groupby("patient_id")["known_by"].transform("min").map("{:012x}".format)
    return folds_by_fracture(known_by, train[list(NAMES)], config.fold_count, config.fold_seed)


def _left_out(slices: pd.DataFrame, studies: pd.Series, reason: str, message: str) -> pd.DataFrame:
    found = slices[slices["study_uid"].isin(studies)]
    return found[["path"]].assign(reason=reason, message=message)


def _grid(rows: pd.DataFrame) -> Grid:
    positions, orientations, spacings = (rows[list(part)].to_numpy(float) for part in (POSITION, ORIENTATION, SPACING))
    return Grid(positions, orientations, spacings, (int(rows["rows"].iloc[0]), int(rows["columns"].iloc[0])))


def _with_counts(rows: pd.DataFrame, counted: SliceCounts | None) -> pd.DataFrame:
    """A study's slices with has_box, box, voxels and ratios; NaN where no segmentation says them."""
    names = ["has_box", *BOX, *VOXELS, *RATIOS]
    if counted is None:
        return rows.assign(**dict.fromkeys(names, np.nan))
    has_box = counted.voxels.any(axis=1, keepdims=True)
    values = np.concatenate([has_box, counted.boxes, counted.voxels, ratios(counted.voxels)], axis=1, dtype=np.float64)
    return rows.assign(**dict(zip(names, values.T, strict=True)))


def _with_flags(study: str, flags: str, used: dict[str, SliceCounts]) -> str:
    if study not in used:
        return flags
    found = {"segmentation_resampled": used[study].resampled, "segmentation_empty": not used[study].voxels.any()}
    return " ".join([*flags.split(), *(flag for flag, is_so in found.items() if is_so)])
