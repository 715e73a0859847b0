"""Which series share a batch: of similar length where padding is inert; drawn as published where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hounsfield.core.errors import WrongUse
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.core.training.draws import StopRequest
from hounsfield.core.training.state import TrainingState
from hounsfield.hemorrhage import training
from hounsfield.hemorrhage.config import SequenceConfig
from hounsfield.hemorrhage.networks import SequenceNetwork
from hounsfield.hemorrhage.sequence_batches import SeriesIndex, index_series
from programs import load_program

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

    monkeypatch.setattr(training, "build_batch", noted)
    return found


def network_of(config: SequenceConfig) -> SequenceNetwork:
    torch.manual_seed(0)
    return SequenceNetwork(E, 3, packed=config.packed)


def train(folder: Path, config: SequenceConfig, epoch: int) -> None:
    network = network_of(config)
    state = TrainingState(
        folder / "state.pt", network, torch.optim.Adam(network.parameters()), torch.amp.GradScaler("cpu", enabled=False)
    )
    state.epoch = epoch
    labels = np.zeros((ROWS, 6), np.float32)
    training.train_epoch(network, state, Store(), INDEX, labels, config, 1234, CPU, StopRequest())


def predict(config: SequenceConfig) -> np.ndarray:
    return training.predict_series(network_of(config), Store(), INDEX, ROWS, config, CPU, StopRequest())


def in_fours(order: np.ndarray) -> list[list[int]]:
    return [order[start : start + 4].tolist() for start in range(0, len(order), 4)]


def test_unpacked_training_batches_are_a_plain_shuffle_in_fours_with_the_rest_as_the_last(
    tmp_path: Path, drawn: list[list[int]]
) -> None:
    for epoch in (0, 1):
        train(tmp_path, SequenceConfig(packed=False), epoch)
    first, second = drawn[:10], drawn[10:]
    for epoch, batches in enumerate((first, second)):
        assert batches == in_fours(np.random.default_rng([1234, epoch]).permutation(37))
        assert [len(batch) for batch in batches] == [4] * 9 + [1]
    assert first != second


def test_packed_training_batches_hold_series_of_similar_length(tmp_path: Path, drawn: list[list[int]]) -> None:
    train(tmp_path, SequenceConfig(packed=True), 0)
    assert sorted(sum(drawn, [])) == list(range(37))
    assert sum(int(LENGTHS[batch].max()) * len(batch) for batch in drawn) < 1.2 * ROWS


def test_unpacked_predictions_are_made_in_plain_order_in_sixteens(drawn: list[list[int]]) -> None:
    predict(SequenceConfig(packed=False))
    assert drawn == [list(range(16)), list(range(16, 32)), list(range(32, 37))]


def test_packed_predictions_are_made_by_length(drawn: list[list[int]]) -> None:
    predict(SequenceConfig(packed=True))
    lengths = LENGTHS[sum(drawn, [])]
    assert (np.diff(lengths) <= 0).all()


def test_held_out_and_test_series_share_no_batch_unless_padding_is_inert() -> None:
    split_series = load_program("hemorrhage_train_sequence").split_series
    slices = pd.DataFrame(
        {
            "split": ["train"] * 5 + ["test"] * 3,
            "series": [0, 0, 1, 2, 2, 3, 4, 4],
            "fold": [0.0, 0, 1, 0, 0, *[np.nan] * 3],
        }
    )
    index = index_series(slices)
    learnt, scored, together = split_series(slices, index, "0", packed=True)
    _, _, apart = split_series(slices, index, "0", packed=False)
    assert learnt.tolist() == [False, True, False, False, False]
    assert scored.tolist() == [True, True, False, True, True, False, False, False]
    assert [part.tolist() for part in together] == [[True, False, True, True, True]]
    assert [part.tolist() for part in apart] == [[True, False, True, False, False], [False, False, False, True, True]]
    _, _, apart = split_series(slices, index, "all", packed=False)
    assert [part.sum() for part in apart] == [0, 2]


def test_fp16_computes_in_float16_with_scaled_gradients_as_apex_did() -> None:
    with open_devices("fp16") as devices:
        assert devices.half is torch.float16
        assert devices.scales_gradients


def test_float16_on_a_cpu_is_refused_with_the_remedy() -> None:
    refuse = load_program("hemorrhage_train_sequence").refuse_float16_on_cpu
    with pytest.raises(WrongUse, match=r"--sequence\.precision fp32"):
        refuse(Devices(torch.device("cpu"), rank=0, world=1, half=torch.float16))
    refuse(CPU)
