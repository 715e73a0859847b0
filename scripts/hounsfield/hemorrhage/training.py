"""What is particular to training this system's two networks. B series, T slices, N slices of the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.score_table import score
from hounsfield.core.stages.command import ALL
from hounsfield.core.stages.configuration import shaping_settings
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches, epoch_order, split_batch
from hounsfield.core.training.loop import Batch
from hounsfield.hemorrhage.config import HemorrhageConfig, SequenceConfig
from hounsfield.hemorrhage.losses import hemorrhage_loss
from hounsfield.hemorrhage.sequence_batches import (
    EmbeddingStore,
    SequenceBatch,
    SeriesIndex,
    build_batch,
    index_series,
    training_batches,
)

if TYPE_CHECKING:
    from hounsfield.core.training.classifier import Classifier


# ---- the classifier ------------------------------------------------------------------------------------------------


def classifier_of(config: HemorrhageConfig, folder: Path, fold: str, label_set: LabelSet = LABELS) -> Classifier:
    """One fold's classifier. folder: where its weights go."""
    # they bring timm and albumentations, for which who trains the sequence network need not wait
    from hounsfield.core.training.classifier import Classifier
    from hounsfield.hemorrhage.images import normalise

    return Classifier(
        name=f"classifier fold {fold}",
        folder=folder,
        backbone=config.classifier.backbone,
        pretrained=config.classifier.weights,
        classes=len(label_set.names),
        settings=config.classifier,
        seed=config.seed,
        normalise=partial(normalise, config=config.classifier),
        loss=partial(hemorrhage_loss, weights=label_set.weights),
        score=partial(score, label_set),
        facts={"classifier": shaping_settings(config.classifier), "fold": fold},
    )


def split_slices(slices: pd.DataFrame, fold: str, sanity_slices: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The labelled slices to train on and those of the validation fold; no patient is in both.

    Fold `all` trains on every patient, and is scored on the first `sanity_slices` of them to see that it learns at all.
    Raises BadInput when either would be empty.
    """
    if fold == ALL:
        return slices, slices.iloc[:sanity_slices]
    in_fold = slices["fold"] == int(fold)
    if in_fold.all() or not in_fold.any():
        count = f"{in_fold.sum()} of {len(slices)}"
        raise BadInput(f"fold {fold} holds {count} labelled slices; too few patients for folds")
    return slices[~in_fold], slices[in_fold]


# ---- the sequence network ------------------------------------------------------------------------------------------


def validation_slices(slices: pd.DataFrame, fold: str) -> np.ndarray:
    """The slices of the validation fold, labelled or beside labelled ones, (N,) bool; none for the fold `all`."""
    if fold == ALL:
        return np.zeros(len(slices), bool)
    return (slices["split"] != "test").to_numpy() & (slices["fold"] == int(fold)).to_numpy()


class SeriesSplit(NamedTuple):
    """What one fold's sequence network is trained on, scored on, and predicts."""

    train: SeriesIndex
    patients: np.ndarray  # pseudonyms of those to train on
    validation: np.ndarray  # (N,) bool, the slices of the validation fold; none for the fold `all`
    predicted: list[SeriesIndex]  # each is predicted by itself


def split_series(slices: pd.DataFrame, fold: str, *, packed: bool) -> SeriesSplit:
    """Split the series of `slices` by the validation fold. Raises BadInput when there is none to train on.

    Unpacked, validation and test series are predicted apart, so that, as published, no batch holds series of both.
    """
    index, labelled = index_series(slices), (slices["split"] == "train").to_numpy()
    validation = validation_slices(slices, fold)
    learnt_from = labelled & ~validation
    train, patients = index.any(learnt_from), slices["patient_id"][learnt_from].unique()
    if not train.any():
        raise BadInput(f"fold {fold}: no labelled series to train on")
    predicted = [~train] if packed else [index.any(validation), ~index.any(labelled)]
    return SeriesSplit(index.only(train), patients, validation, [index.only(chosen) for chosen in predicted])


class SeriesBatches:
    """One epoch's batches of whole series, each labelled slice of which counts alike."""

    def __init__(
        self,
        store: EmbeddingStore,
        index: SeriesIndex,
        labels: np.ndarray,
        config: SequenceConfig,
        devices: Devices,
        *,
        seed: int,
        epoch: int,
    ) -> None:
        """index: the training series. labels: (N, C) float32; slices without a known one do not count."""
        self._counting = np.isfinite(labels).any(axis=1)  # (N,)
        self._store, self._index, self._labels, self._packed = store, index, labels, config.packed
        self._devices = devices
        order, size = epoch_order(seed, epoch, len(index.lengths)), config.batch_size
        # the numbers of the series in each batch
        self.series = training_batches(index.lengths, size, order) if config.packed else batches(order, size)

    def __len__(self) -> int:
        return len(self.series)

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        """This process's share of each step from `first` on, as a SequenceBatch with weights (B, T)."""
        for series in self.series[first:]:
            share = split_batch(series, rank=self._devices.rank, world=self._devices.world, parts=1)[0]
            lengths = self._index.lengths[series]
            longest = int(lengths.max())  # of all processes: unpacked, padding shapes what is learnt
            batch = build_batch(
                self._store, self._index, share.samples, self._labels, pad_front=not self._packed, longest=longest
            )
            counts = torch.from_numpy(np.sign(share.weights))  # (B,), 0 for a process without a series
            counted = int(self._index.counts_of(self._counting)[series].sum())
            slices = batch.is_slice & batch.labels.isfinite().any(dim=-1)
            yield [Batch(batch, slices * counts[:, None] / max(1, counted))]

    def describe(self, step: int) -> str:
        """The series of a step, by where they begin."""
        return f"the series that begin at rows {self._index.starts[self.series[step]].tolist()} of slices.parquet"


def sequence_loss(
    model: nn.Module, devices: Devices, weights: tuple[float, ...] = LABELS.weights
) -> Callable[[SequenceBatch], Tensor]:
    """The loss of every slice of a batch of series, (B, T), without meaning on padding. weights: (C,)."""

    def loss(batch: SequenceBatch) -> Tensor:
        batch = batch.to(devices.device)
        with devices.autocast():
            logits = model(batch.embeddings, batch.is_slice)
        return hemorrhage_loss(logits, batch.labels, weights=weights)

    return loss


def check_sequence(config: SequenceConfig, devices: Devices) -> None:
    """Raise WrongUse where settings contradict each other, or torch would stop with a message about primitives."""
    if not 1 <= config.epochs_to_bag <= config.epochs:
        raise WrongUse(f"sequence.epochs_to_bag must be 1 to sequence.epochs ({config.epochs})")
    if devices.half is torch.float16 and devices.device.type == "cpu":
        raise WrongUse(
            "sequence.precision fp16 needs a GPU: torch trains no LSTM in it on a CPU; add --sequence.precision fp32"
        )
