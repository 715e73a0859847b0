"""Which series share a batch: of similar length where padding is inert; drawn as published where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hounsfield.core.errors import WrongUse
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.core.training.loop import Batch
from hounsfield.core.training.stops import StopRequest
from hounsfield.hemorrhage import study_prediction, training
from hounsfield.hemorrhage.config import SequenceConfig
from hounsfield.hemorrhage.sequence_batches import SeriesIndex
from hounsfield.hemorrhage.sequence_network import SequenceNetwork

CPU = Devices(torch.device("cpu"), rank=0, world=1, half=None)
LENGTHS = np.random.default_rng(0).integers(1, 9, 37)
INDEX = SeriesIndex(np.concatenate([[0], np.cumsum(LENGTHS)[:-1]]), LENGTHS)
ROWS = int(LENGTHS.sum())
E = 4


class Store:
    """Random embeddings in place of a finished store."""

    width = E

    def read(self, start: int, length: int, out: np.ndarray) -> None:
        out[:] = np.random.default_rng(start).normal(size=(length, E))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The series of every batch that is built from now on."""
    found: list[list[int]] = []
    build = training.build_batch

    def noted(store: Store, index: SeriesIndex, series: np.ndarray, *rest: Any, **options: Any) -> Any:
        found.append(series.tolist())
        return build(store, index, series, *rest, **options)

    for module in (training, study_prediction):
        monkeypatch.setattr(module, "build_batch", noted)
    return found


def build_epoch(config: SequenceConfig, epoch: int) -> list[Sequence[Batch]]:
    labels = np.zeros((ROWS, 6), np.float32)
    return list(training.SeriesBatches(Store(), INDEX, labels, config, CPU, seed=1234, epoch=epoch).parts(0))


def predict(config: SequenceConfig) -> np.ndarray:
    torch.manual_seed(0)
    network = SequenceNetwork(E, 3, packed=config.packed)
    return study_prediction.predict_series(network, Store(), INDEX, ROWS, config, CPU, StopRequest())


def in_fours(order: np.ndarray) -> list[list[int]]:
    return [order[start : start + 4].tolist() for start in range(0, len(order), 4)]


def test_unpacked_training_batches_are_a_plain_shuffle_in_fours_with_the_rest_as_the_last(
    drawn: list[list[int]],
) -> None:
    for epoch in (0, 1):
        build_epoch(SequenceConfig(packed=False), epoch)
    first, second = drawn[:10], drawn[10:]
    for epoch, batches in enumerate((first, second)):
        assert batches == in_fours(np.random.default_rng([1234, epoch]).permutation(37))
        assert [len(batch) for batch in batches] == [4] * 9 + [1]
    assert first != second


def test_packed_training_batches_hold_series_of_similar_length(drawn: list[list[int]]) -> None:
    build_epoch(SequenceConfig(packed=True), 0)
    assert sorted(sum(drawn, [])) == list(range(37))
    assert sum(int(LENGTHS[batch].max()) * len(batch) for batch in drawn) < 1.2 * ROWS


def test_unpacked_predictions_are_made_in_plain_order_in_sixteens(drawn: list[list[int]]) -> None:
    predict(SequenceConfig(packed=False))
    assert drawn == [list(range(16)), list(range(16, 32)), list(range(32, 37))]


def test_packed_predictions_are_made_by_length(drawn: list[list[int]]) -> None:
    predict(SequenceConfig(packed=True))
    lengths = LENGTHS[sum(drawn, [])]
    assert (np.diff(lengths) <= 0).all()


def test_every_slice_of_a_batch_counts_alike_and_padding_not_at_all() -> None:
    for (batch,) in build_epoch(SequenceConfig(packed=True), 0):
        assert (batch.weights > 0).equal(batch.samples.is_slice)
        assert len(batch.weights[batch.samples.is_slice].unique()) == 1
        assert float(batch.weights.sum()) == pytest.approx(1, abs=1e-6)


def test_a_process_without_a_series_takes_part_with_weight_zero() -> None:
    last = [
        list(
            training.SeriesBatches(
                Store(), INDEX, np.zeros((ROWS, 6), np.float32), SequenceConfig(packed=False),
                Devices(torch.device("cpu"), rank=rank, world=2, half=None), seed=1234, epoch=0,
            ).parts(9)
        )
        for rank in (0, 1)
    ]  # fmt: skip
    ((with_series,),), ((without,),) = last
    assert float(with_series.weights.sum()) == pytest.approx(1, abs=1e-6)
    assert without.weights.shape == with_series.weights.shape
    assert not without.weights.any()


def test_validation_and_test_series_share_no_batch_unless_padding_is_inert() -> None:
    slices = pd.DataFrame(
        {
            "split": ["train"] * 5 + ["test"] * 3,
            "series": [0, 0, 1, 2, 2, 3, 4, 4],
            "fold": [0.0, 0, 1, 0, 0, *[np.nan] * 3],
            "patient_id": ["a", "a", "b", "c", "c", "d", "e", "e"],
        }
    )
    together = training.split_series(slices, "0", packed=True)
    apart = training.split_series(slices, "0", packed=False)
    assert together.train.starts.tolist() == [2]
    assert together.patients.tolist() == ["b"]
    assert together.validation.tolist() == [True, True, False, True, True, False, False, False]
    assert [index.starts.tolist() for index in together.predicted] == [[0, 3, 5, 6]]
    assert [index.starts.tolist() for index in apart.predicted] == [[0, 3], [5, 6]]
    apart = training.split_series(slices, "all", packed=False)
    assert [index.starts.tolist() for index in apart.predicted] == [[], [5, 6]]


def test_fp16_computes_in_float16_with_scaled_gradients_as_apex_did() -> None:
    with open_devices("fp16") as devices:
        assert devices.half is torch.float16
        assert devices.scales_gradients


def test_float16_on_a_cpu_is_refused_with_the_remedy() -> None:
    with pytest.raises(WrongUse, match=r"--sequence\.precision fp32"):
        training.check_sequence(SequenceConfig(), Devices(torch.device("cpu"), rank=0, world=1, half=torch.float16))
    training.check_sequence(SequenceConfig(), CPU)


def test_slices_without_a_label_are_context_and_weigh_nothing() -> None:
    labels = np.zeros((ROWS, 6), np.float32)
    first = INDEX.starts[INDEX.lengths > 1]  # slice of each series that has others
    labels[first] = np.nan
    config = SequenceConfig(hidden_units=3, batch_size=4)
    steps = list(training.SeriesBatches(Store(), INDEX, labels, config, CPU, seed=1234, epoch=0).parts(0))
    for batch, weights in (parts[0] for parts in steps):
        unlabelled = torch.isin(batch.rows, torch.from_numpy(first))
        assert batch.is_slice[unlabelled].all()
        assert (weights[unlabelled] == 0).all()
        assert weights.sum().item() == pytest.approx(1.0)
