"""What each decision of the sequence network is worth: the same network trained with one of them taken back.

Everything else stays: embeddings, folds, batches and their order, first weights, epochs. M rows out of fold, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.core.evaluation.by_study import as_labelled
from hounsfield.core.evaluation.held_out import HeldOut, held_out_rows
from hounsfield.core.evaluation.score_table import System, score_table
from hounsfield.core.logs import logger
from hounsfield.core.stages.outputs import output, read_record
from hounsfield.core.stages.upstream import Upstream, check_made, reading
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training.course import Course, PlannedRun
from hounsfield.core.training.devices import Devices
from hounsfield.hemorrhage.config import HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.ensemble import classifier_predictions, expected_runs, has_classifier
from hounsfield.hemorrhage.paths import PROBABILITIES, WALKTHROUGH, ablation_folder
from hounsfield.hemorrhage.remedies import HemorrhageCommand
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore
from hounsfield.hemorrhage.sequence_network import SequenceNetwork, SliceBySlice, WithoutDeltas
from hounsfield.hemorrhage.sequence_run import SequenceRun
from hounsfield.hemorrhage.stages.train_sequence import train

AS_IT_IS, CLASSIFIER = "as it is", "classifier"  # the run's own network; its classifier, without a sequence network


class Ablation(NamedTuple):
    """One decision that is taken back."""

    name: str  # of its folders
    words: str
    network: type[SequenceNetwork] = SequenceNetwork
    views: bool = True  # False: the first one alone is read
    other_seed: bool = False


ABLATIONS = (
    Ablation("other_seed", "another seed, nothing left out", other_seed=True),
    Ablation("without_deltas", "without deltas", network=WithoutDeltas),
    Ablation("without_sequence", "without the sequence", network=SliceBySlice),
    Ablation("without_views", "without views", views=False),
)


@dataclass(frozen=True)
class AblatedRun(SequenceRun):
    """One run of the sequence network with something left out."""

    ablation: Ablation
    stage: ClassVar[str] = WALKTHROUGH

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.ablation.words}, fold {self.fold}"

    @property
    def config(self) -> HemorrhageConfig:
        """The experiment's, but for the seed; no weights are kept, since nothing else is predicted."""
        config = self.command.config
        seed = config.seed + self.ablation.other_seed
        return replace(config, seed=seed, sequence=replace(config.sequence, keep_epochs=0))

    @property
    def folder(self) -> Path:
        """Its probabilities."""
        command = self.command
        return ablation_folder(command.work, command.experiment, self.fold, self.epoch, self.ablation.name)

    def settings(self) -> dict[str, Any]:
        """What shapes the network."""
        return {**super().settings(), "ablation": self.ablation.name}

    def build_sequence_network(self, width: int, classes: int) -> SequenceNetwork:
        """The network before training, with what is left out of it."""
        settings = self.config.sequence
        return self.ablation.network(width, settings.hidden_units, packed=settings.packed, classes=classes)

    def open_store(self, embeddings: Upstream, images: pd.Series) -> EmbeddingStore:
        """What the network reads."""
        store = super().open_store(embeddings, images)
        return store if self.ablation.views else store.first_view()


def runs_of(command: HemorrhageCommand, data: Upstream, folds: Sequence[str]) -> list[SequenceRun]:
    """The run's own networks of its last classifier epoch, one per fold."""
    return [SequenceRun(command, data, fold, max(extracted_epochs(command.config))) for fold in folds]


def ablated_runs(runs: Sequence[SequenceRun]) -> list[AblatedRun]:
    """Each ablation of each run; that of the views only where there are several."""
    several = len(runs[0].embeddings().record["facts"]["views"]) > 1
    return [
        AblatedRun(run.command, run.data, run.fold, run.epoch, ablation)
        for ablation in ABLATIONS
        if ablation.views or several
        for run in runs
    ]


def train_ablations(runs: Sequence[AblatedRun], slices: pd.DataFrame, devices: Devices) -> None:
    """Train what is not trained yet, after saying what it takes."""
    force, epochs = runs[0].command.force, runs[0].config.sequence.epochs
    course = Course([PlannedRun(run.folder, epochs, 0) for run in runs], force=force)
    missing = sum(force or read_record(run.folder) is None for run in runs)
    if missing:
        logger.info("ablations: %d networks to train, each as long as stage 14 takes for one", missing)
    for run in runs:
        embeddings = run.embeddings()
        provenance = run.provenance_of_network(embeddings)
        claim = output(run.folder, provenance, force=force, remedy=run.remedy, processes=devices)
        with reading(embeddings.folder), claim as out:
            if not out.finished:
                train(run, out, embeddings, slices, devices, course)


def score_ablations(runs: Sequence[SequenceRun], ablated: Sequence[AblatedRun], slices: pd.DataFrame) -> pd.DataFrame:
    """The score table (core/evaluation/score_table.py) of the run's classifier, its network, and each ablation.

    The gain of the network is over the classifier, and that of an ablation over the network: below 0 where what was
    left out had helped.
    """
    folds = [run.fold for run in runs]
    label_set = label_set_of(runs[0].data)
    held_out = held_out_rows(label_set, slices, folds)
    systems = list(_systems(runs, ablated, slices, held_out))
    scored = as_labelled(label_set, systems, held_out.labels, held_out.patients, slices.iloc[held_out.rows])
    return score_table(*scored, " ".join(folds), remedy=runs[0].remedy)


def _systems(
    runs: Sequence[SequenceRun], ablated: Sequence[AblatedRun], slices: pd.DataFrame, held_out: HeldOut
) -> Iterator[System]:
    experiment, over = runs[0].command.experiment, None
    models = f"classifier epoch {runs[0].epoch} of the fold that holds the patient out"
    bagged = expected_runs({experiment: runs[0].command}, runs[0].data, [run.fold for run in runs])
    last = [run for run in bagged if run.epoch == runs[0].epoch]
    if all(has_classifier(run.embeddings) for run in last):
        alone, _ = classifier_predictions(last, slices, held_out)
        seen = _seen([run.embeddings for run in last], runs, held_out)
        yield System(CLASSIFIER, experiment, alone, models, seen=seen)
        over = 0
    yield _system(AS_IT_IS, runs, models, held_out, over)
    network = 0 if over is None else 1
    for ablation in ABLATIONS:
        own = [run for run in ablated if run.ablation == ablation]
        if own:
            yield _system(ablation.words, own, models, held_out, network)


def _system(name: str, runs: Sequence[SequenceRun], models: str, held_out: HeldOut, over: int | None) -> System:
    """What the networks of all folds predict of the patients that they have not seen."""
    networks = [run.network() for run in runs]
    found = np.empty((len(held_out.rows), len(label_set_of(networks[0]).names)))
    for run, network in zip(runs, networks, strict=True):
        check_made(network, run.settings())
        mine = held_out.folds == int(run.fold)
        found[mine] = open_array(network.file(PROBABILITIES), remedy=network.remedy)[held_out.rows[mine]]
    seen = _seen(networks, runs, held_out)
    return System(name, runs[0].command.experiment, found, f"sequence on {models}", over=over, seen=seen)


def _seen(made: Sequence[Upstream], runs: Sequence[SequenceRun], held_out: HeldOut) -> np.ndarray:
    """How what predicts each row has seen its patient, (M,). made: of each run what predicts its fold."""
    found = np.full(len(held_out.rows), "", dtype=object)
    for one, run in zip(made, runs, strict=True):
        mine = held_out.folds == int(run.fold)
        found[mine] = one.learned().roles_of(held_out.patients[mine])
    return found
