"""What the walk-through measures, and the networks that it trains with something left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import Work
from hounsfield.core.stages.command import parse, stage_parser
from hounsfield.core.stages.outputs import output
from hounsfield.core.training.course import Course, PlannedRun
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.core.training.loop import Batch
from hounsfield.hemorrhage.sequence_batches import SequenceBatch, SeriesIndex, build_batch
from hounsfield.hemorrhage.sequence_network import SequenceNetwork, SliceBySlice, WithoutDeltas, with_deltas
from hounsfield.hemorrhage.stages.train_sequence import train
from hounsfield.hemorrhage.walkthrough.ablations import AblatedRun, Ablation
from hounsfield.hemorrhage.walkthrough.batch_facts import change_by_company, thrown_away, trace
from hounsfield.hemorrhage.walkthrough.page import verdict
from hounsfield.hemorrhage.walkthrough.series_facts import Pairs, find_order, measure_pairs, typical_edge
from programs import load_program
from reference.published_sequence import published_forward, published_inputs

E, H = 6, 4
CPU = Devices(torch.device("cpu"), rank=0, world=1, half=None)
LENGTHS = np.array([3, 1, 5])
INDEX = SeriesIndex(np.array([0, 3, 4]), LENGTHS)
EMBEDDINGS = np.random.default_rng(1).normal(size=(9, E)).astype(np.float32)


class Store:
    """Embeddings in memory in place of a finished store."""

    width = E

    def read(self, start: int, length: int, out: np.ndarray) -> None:
        out[:] = EMBEDDINGS[start : start + length]


def batch_of(*, pad_front: bool = False) -> SequenceBatch:
    labels = np.zeros((9, 6), np.float32)
    labels[[4, 5], -1] = 1
    return build_batch(Store(), INDEX, np.arange(3), labels, pad_front=pad_front)


def network(kind: type[SequenceNetwork] = SequenceNetwork, *, packed: bool = True) -> SequenceNetwork:
    torch.manual_seed(3)
    return kind(E, H, packed=packed).eval()


def test_without_deltas_the_embedding_alone_is_read() -> None:
    batch = batch_of()
    steps = network(WithoutDeltas).steps(batch.embeddings, batch.is_slice)
    assert steps.shape == (3, 5, 3 * E)
    assert steps[..., :E].equal(batch.embeddings)
    assert not steps[..., E:].any()


@pytest.mark.parametrize("packed", [True, False])
@torch.no_grad()
def test_slice_by_slice_every_slice_is_answered_as_a_series_of_one(packed: bool) -> None:
    batch, whole = batch_of(pad_front=not packed), network(packed=packed)
    found = network(SliceBySlice, packed=packed)(batch.embeddings, batch.is_slice)
    assert found.shape == (3, 5, 6)
    assert not found[~batch.is_slice].any()
    one = torch.ones(1, 1, dtype=torch.bool)
    for logits, embedding in zip(found[batch.is_slice], batch.embeddings[batch.is_slice], strict=True):
        torch.testing.assert_close(logits, whole(embedding[None, None], one)[0, 0], atol=1e-6, rtol=0)


def test_all_of_them_begin_with_the_same_weights() -> None:
    states = [network(kind).state_dict() for kind in (SequenceNetwork, WithoutDeltas, SliceBySlice)]
    for state in states[1:]:
        assert all(state[name].equal(value) for name, value in states[0].items())


def test_the_lines_that_are_traced_add_up_to_the_networks_answer() -> None:
    net, batch = network(), batch_of()
    lines, values = trace(net, batch)
    five = sum(values[name] for name in ("first", "second", "bend1", "bend2", "twice"))
    torch.testing.assert_close(values["hidden"], five)
    weights = {name: value.double().numpy() for name, value in net.state_dict().items()}
    series = [EMBEDDINGS[start : start + length] for start, length in zip(*INDEX, strict=True)]
    for place, one in enumerate(series):
        project = lambda e: weights["project.weight"] @ e + weights["project.bias"]  # noqa: E731
        expected = published_forward(weights, published_inputs([one]), project)[0]
        np.testing.assert_allclose(values["logits"][place, : len(one)], expected, atol=1e-5)
    assert [line.shape[-1] for line in lines] == [E, 3 * E, *[2 * H] * 6, 6]
    assert values["steps"].equal(with_deltas(batch.embeddings, batch.is_slice))


def test_of_a_batch_padding_and_slices_without_a_label_are_thrown_away() -> None:
    batch = batch_of()
    labels = batch.labels.clone()
    labels[2, 4] = torch.nan
    counted = batch.is_slice & labels.isfinite().any(dim=-1)
    part = Batch(batch._replace(labels=labels), counted / counted.sum())
    net = network()
    found = thrown_away(net, part, (1, 1, 1, 1, 1, 2), CPU)
    assert (found.steps, found.padding, found.unlabelled, found.counted) == (15, 6, 1, 8)
    with torch.no_grad():
        p = net(batch.embeddings, batch.is_slice).double().sigmoid().numpy()
    y = np.nan_to_num(labels.double().numpy())
    weights = np.array([1, 1, 1, 1, 1, 2]) / 7
    losses = -(weights * (y * np.log(p) + (1 - y) * np.log(1 - p))).sum(axis=-1)
    assert found.loss == pytest.approx(losses[counted.numpy()].mean(), abs=1e-6)
    assert found.loss_with_padding == pytest.approx(losses[(counted | ~batch.is_slice).numpy()].mean(), abs=1e-6)


def test_company_changes_what_is_predicted_only_where_the_states_run_over_padding() -> None:
    net = network()
    assert change_by_company(net, batch_of(), packed=True) < 1e-6
    assert change_by_company(net, batch_of(pad_front=True), packed=False) > 1e-4
    assert net.packed


def test_pairs_are_neighbours_within_a_series_whose_labels_are_known() -> None:
    seen = np.array([0, 1, 1, 1, 0, 0, 1, np.nan, 0], np.float32)
    logits = np.arange(9, dtype=np.float32) ** 2
    pairs = measure_pairs(Store(), INDEX, seen, logits)
    assert pairs.later.tolist() == [1, 2, 5, 6]
    expected = np.linalg.norm(EMBEDDINGS[pairs.later] - EMBEDDINGS[pairs.later - 1], axis=1)
    np.testing.assert_allclose(pairs.distance, expected, atol=1e-6)
    assert pairs.change is not None
    assert pairs.change.tolist() == [1, 3, 9, 11]
    assert pairs.edge.tolist() == [True, False, False, True]
    assert pairs.area("change of the logit") == 0.5  # 11 is above 3 and 9, 1 below both


def test_the_edge_that_is_shown_is_the_median_one_with_room_on_both_sides() -> None:
    index = SeriesIndex(np.array([0, 10, 20]), np.array([10, 10, 10]))
    later = np.array([1, 5, 15, 18, 25, 29])  # the first and the last have no room before or behind
    ends = np.full(6, False)
    pairs = Pairs(later, np.array([9, 3, 1, 2, 7, 8.0]), None, ends, ~ends, 3)
    assert typical_edge(pairs, index) == 1  # of 3, 1, 2 and 7 the third by size
    assert typical_edge(pairs._replace(after=ends), index) is None
    at_the_ends = Pairs(later[[0, 5]], np.array([1, 2.0]), None, ends[:2], ~ends[:2], 3)
    assert typical_edge(at_the_ends, index) == 1


def test_the_order_is_that_of_the_places_whatever_the_order_of_the_names() -> None:
    z = np.array([30.0, 10, 20, 5, 6])
    table = pd.DataFrame({"image_id": list("abcde"), "series_uid": list("sssuu"), "patient_id": "p", "study_uid": "t"})
    axial = {"row_x": 1.0, "row_y": 0.0, "row_z": 0.0, "column_x": 0.0, "column_y": 1.0, "column_z": 0.0}
    table = table.assign(x_mm=[1.0, 3, 2, 0, 0], y_mm=0.0, z_mm=z, **axial, instance_number=np.nan, path=list("abcde"))
    found = find_order(table)
    assert (found.series, found.lengths.tolist(), found.by_name, found.by_corner) == (2, [3, 2], 1, 1)
    assert find_order(table.assign(x_mm=0.0)).by_corner == 0


def test_the_verdict_calls_higher_only_what_the_interval_tells_apart() -> None:
    rows = [
        {"system": "a", "gain_low": -0.2, "gain_high": -0.1},
        {"system": "b", "gain_low": -0.2, "gain_high": 0.1},
        {"system": "c", "gain_low": 0.1, "gain_high": 0.2},
    ]
    found = verdict(rows)
    assert "The loss is higher: a." in found
    assert "It is lower: c." in found
    assert "Not told apart from no change, on so many patients: b." in found


def test_trained_with_nothing_left_out_the_network_is_the_runs_own(finished: Work, tmp_path: Path) -> None:
    stage = load_program("hemorrhage_walkthrough").STAGE
    command = parse(stage_parser(stage), stage, list(finished.arguments))
    from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices

    data = open_data_set(finished.folder, command.data_set, lambda stage: stage)
    slices = read_slices(data)

    class Elsewhere(AblatedRun):
        @property
        def folder(self) -> Path:
            return tmp_path / "nothing"

    run = Elsewhere(command, data, "0", 1, Ablation("nothing", "nothing left out"))
    course = Course([PlannedRun(run.folder, 3, 0)], force=False)
    with open_devices("fp32", 1) as devices:
        embeddings = run.embeddings()
        provenance = replace(run.provenance_of_network(embeddings))
        with output(run.folder, provenance, force=False, remedy="") as out:
            train(run, out, embeddings, slices, devices, course)
    own = finished.folder / "checkpoints/hemorrhage/mini/fold0/sequence_epoch1/probabilities.npy"
    assert (run.folder / "probabilities.npy").read_bytes() == own.read_bytes()
