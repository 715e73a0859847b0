"""The spine system's answers, a study at a time (the functions of `Adaptor`). N slices, from head to feet."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES, VERTEBRAE
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.competitions.rsna2022.tables import BOX, RATIOS, TEST_FOLD, read_slices, read_studies
from hounsfield.core.dicom.reason_codes import FLAGS
from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.calibration import SUFFIX
from hounsfield.core.evaluation.findings import refused_of_studies
from hounsfield.core.evaluation.predictions import TEST, read_predictions
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
from hounsfield.core.imaging.series_view import HOUNSFIELD, Boxes, Curves, Overlay, SeriesPixels
from hounsfield.core.stages.outputs import record_digest
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.arrays import array_number
from hounsfield.core.storage.volumes import open_volume
from hounsfield.spine.answers import AnswerTask, answers_of, find_task, read_curves
from hounsfield.spine.box_quality import peaks_of
from hounsfield.spine.boxes import StudyBox, boxes_of, square_of
from hounsfield.spine.curves import curve_networks
from hounsfield.spine.domain import noted
from hounsfield.spine.ensemble import answering
from hounsfield.spine.findings import OUT_OF_FOLD, Answers
from hounsfield.spine.losses import FRACTURE_COLUMNS
from hounsfield.spine.paths import BAG, PREDICT, slices_folder
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.slice_heads import SliceHeads, slice_heads
from hounsfield.spine.slice_window_data import WindowStudy
from hounsfield.spine.stages.boxes import networks_by_fold
from hounsfield.spine.stages.predict_studies import predict_given_studies
from hounsfield.spine.study_run import StudyRun
from hounsfield.spine.tables import RATIO_PREDICTIONS
from hounsfield.spine.worth import Worth, worth_of_run

MEAN = "mean of the fracture networks"
VOLUME = "volume"  # the one series of a study: its largest stack
LETTERS = ("R", "L", "A", "P")  # at the edges of axial slices, which preparation has turned so; others are refused


def models_of(command: SpineCommand) -> list[Upstream]:
    """The localisers, the study networks, and the ratio networks that tell where the vertebrae are."""
    localizers = networks_by_fold(command, pd.DataFrame({"fold": [TEST_FOLD]})) or {}
    found = [one.output for networks in localizers.values() for one in networks]
    found += [member.output for member in answering(command)]
    return found + [one.output for one in curve_networks(command)]


def predict_paths(command: SpineCommand, paths: Sequence[str], read_prepare: ReadPrepare) -> NeckAnswers:
    """Prepare and predict what the paths hold, and open the answers."""
    return open_view(predict_given_studies(command, paths, read_prepare))


def open_view(command: SpineCommand) -> NeckAnswers:
    """What stage 56 has left for the command's data set."""
    task = find_task(command)
    answers = require(command.work, task.folder, PREDICT, remedies(command))
    return NeckAnswers(task, answers, worth_of_run(command, answers))


@dataclass(frozen=True)
class NeckAnswers:
    """What a run says of the studies of a data set (a StudyView)."""

    task: AnswerTask
    answers: Upstream
    worth: Worth

    @property
    def studies(self) -> Sequence[str]:
        """The studies that are answered."""
        return list(self._rows)

    def findings(self, study: str) -> StudyFindings:
        """All numbers and words of one study. The values of its slices are computed where they are not there yet."""
        row, slices = self._rows[study], self._of_study(study)
        words = slices["flags"].map(lambda codes: " ".join(FLAGS.get(code, code) for code in codes.split()))
        table = slices.rename(columns={"path": "file", "z_mm": "position_mm", "slice": "order"}).assign(
            image_id=study + "/" + slices["slice_number"].astype(str), flags=words
        )
        values = [ModelValues(self._run, name, heads.fractures, None) for name, heads in self._models(study).items()]
        if len(values) > 1:  # the study is answered by their mean, and so is a slice: what is last is blended
            values.append(ModelValues(self._run, MEAN, np.mean([one.raw for one in values], axis=0), None))
        return StudyFindings(
            system="spine",
            study=study,
            names=NAMES,
            runs=[self._run_facts(study)],
            answers=self._study_answers(study),
            series=[SeriesFindings(VOLUME, table[list(SLICE_COLUMNS)].reset_index(drop=True), values)],
            truth={name: float(row[name]) for name in NAMES if not np.isnan(row[name])},
            warnings=[*self._known.warnings[study], *noted(row, self.task.command.config.windows.slices)],
            refused=self._refused[self._refused["study"] == study].drop(columns="study").reset_index(drop=True),
        )

    def pixels(self, study: str, series: str) -> SeriesPixels:
        """The study's volume, memory-mapped."""
        row, slices, remedy = self._rows[study], self._of_study(study), self.task.data.remedy
        path = self._volume(study)
        volume = open_volume(path, remedy=remedy)
        if array_number(volume) != row["volume_digest"]:
            raise BadInput(f"{path} is not the volume that was prepared; remove it and make it again: {remedy}")
        spacing = float(row["row_spacing_mm"]), float(row["column_spacing_mm"])
        unknown = slices["flags"].str.contains("orientation_missing").any()
        return SeriesPixels(
            values=volume,
            unit=HOUNSFIELD,
            positions_mm=slices["z_mm"].to_numpy(np.float64),
            pixel_mm=None if np.isnan(spacing).any() else spacing,
            letters=None if unknown else LETTERS,
        )

    def overlays(self, study: str, series: str) -> Sequence[Overlay]:
        """The box in the slices of its range, and how much of each vertebra a slice shows, as each that knows says."""
        slices, box = self._of_study(study), self._box(study)
        corners = np.full((len(slices), 4), np.nan)
        corners[box.first_slice : box.last_slice + 1] = box[:4]
        own = self._curves[self._curves["study_uid"] == study].set_index("slice")[list(RATIO_PREDICTIONS)]
        found: list[Overlay] = [Boxes("no neck found: fallback box" if box.fallback else "neck found", corners)]
        curves = {"ratio network": own.reindex(slices["slice"]).to_numpy(np.float64, na_value=np.nan)}
        curves |= {name: heads.vertebrae for name, heads in self._models(study).items()}
        if self._rows[study]["has_segmentation"]:
            true = slices[list(BOX)].to_numpy(np.float64, na_value=np.nan)
            found.append(Boxes("segmentation", true + np.array([0, 0, 1, 1])))  # edges behind the last pixel
            curves["segmentation"] = slices[list(RATIOS)].to_numpy(np.float64, na_value=np.nan)
        return [*found, *(Curves(f"vertebrae, {name}", VERTEBRAE, values) for name, values in curves.items())]

    @property
    def _run(self) -> str:
        return f"spine/{self.task.command.experiment}"

    @cached_property
    def _bag(self) -> pd.DataFrame:
        """The split and the probabilities of each study that is answered."""
        return read_predictions(self.answers.file(BAG), LABELS, remedy=self.answers.remedy).set_index("study_uid")

    @cached_property
    def _studies(self) -> pd.DataFrame:
        """STUDY_SCHEMA of the studies that are answered, in the order of the data set."""
        studies = read_studies(self.task.data)
        return studies[studies["study_uid"].isin(self._bag.index)].reset_index(drop=True)

    @cached_property
    def _rows(self) -> dict[str, dict[Hashable, Any]]:
        return {str(row["study_uid"]): row for row in self._studies.to_dict("records")}

    @cached_property
    def _slices(self) -> pd.DataFrame:
        return read_slices(self.task.data)

    @cached_property
    def _places(self) -> dict[Hashable, np.ndarray]:
        """The rows of each study in the table of slices."""
        return {study: np.asarray(rows) for study, rows in self._slices.groupby("study_uid").indices.items()}

    def _of_study(self, study: str) -> pd.DataFrame:
        """SLICE_SCHEMA of its N slices."""
        return self._slices.iloc[self._places[study]]

    @cached_property
    def _curves(self) -> pd.DataFrame:
        return read_curves(self.task)

    @cached_property
    def _known(self) -> Answers:
        probabilities = self._bag.loc[self._studies["study_uid"], list(NAMES)].to_numpy(np.float64)
        return answers_of(self.task, self._studies, probabilities, peaks_of(self._curves))

    @cached_property
    def _refused(self) -> pd.DataFrame:
        return refused_of_studies(self.task.data, self._slices.rename(columns={"study_uid": "study", "path": "file"}))

    def _box(self, study: str) -> StudyBox:
        return boxes_of(self.task.boxes, [study])[0]

    def _volume(self, study: str) -> Path:
        return volume_path(self.task.data.work, self.task.data.folder.name, study)

    def _networks(self, study: str) -> list[StudyRun]:
        """The study networks that have answered: of a study with labels, those that have not seen it."""
        if self._bag.loc[study, "split"] == TEST:
            return [member.run for member in self.task.answers]
        fold = str(self._rows[study]["fold"])
        return [member.run for member in self.task.scored if member.run.key.fold == fold]

    def _run_facts(self, study: str) -> RunFacts:
        networks = [run.network() for run in self._networks(study)]
        return RunFacts(
            name=self._run,
            digest=record_digest(self.answers.record),
            models={one.folder.relative_to(one.work).as_posix(): record_digest(one.record) for one in networks},
            trained_on=self._known.trained_on,
            scored_on=self.worth.scored_on,
            scores=self.worth.scores,
        )

    def _study_answers(self, study: str) -> list[StudyAnswer]:
        raw = self._bag.loc[[study], list(NAMES)].to_numpy(np.float64)  # (1, 8)
        count = len(self._networks(study))
        who = "one network that sees" if count == 1 else f"mean of {count} networks that see"
        how = f"study head: {who} the whole neck; {self.worth.in_words}; calibration: "
        known, found = self.worth.calibration.levels.get("study", {}), []
        for name, value, sure in zip(NAMES, raw[0].tolist(), self._calibrated(study, raw).tolist(), strict=True):
            met = [PointMet.of(point, value) for point in (known[name].points if name in known else ())]
            words = known[name].words if name in known else self.worth.calibration.words("study")
            if np.isnan(sure) and name in known and known[name].calibrator is not None:
                words = "none of this study, which took no part in it"
            found.append(StudyAnswer(self._run, name, value, None if np.isnan(sure) else sure, how + words, met))
        return found

    def _calibrated(self, study: str, raw: np.ndarray) -> np.ndarray:
        """(8,), NaN where nothing is. Out of fold it is by calibrators of other patients, as stage 56 has told it."""
        if self._bag.loc[study, "split"] == TEST:
            return np.asarray(self.worth.calibration.apply("study", raw)[0])
        table = pd.read_csv(self.answers.file(OUT_OF_FOLD), dtype={"study": str}).set_index("study")
        columns = [f"{name}{SUFFIX}" for name in NAMES]
        return table.reindex(index=[study], columns=columns).to_numpy(np.float64)[0]

    def _models(self, study: str) -> dict[str, SliceHeads]:
        """What the fracture networks behind the study's answer say of its slices, by name."""
        row, folder = self._rows[study], slices_folder(self.answers.folder, study)
        unknown = np.full((row["slices"], FRACTURE_COLUMNS), np.nan, np.float32)
        square = square_of(self._box(study)[:4], (row["rows"], row["columns"]))
        windows = WindowStudy(study, self._volume(study), square, unknown)
        runs = [run.slice_run for run in self._networks(study)]
        found = slice_heads(folder, self.answers, runs, windows, self.task.data.remedy)
        return {f"fracture network {name}": heads for name, heads in found.items()}
