"""The training loop on a network of a few numbers: killed, stopped, shared out, and gone on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from lone_devices import CPU, one_of
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.storage.checkpoints import load_state
from hounsfield.core.training import loop
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches, epoch_order, split_batch
from hounsfield.core.training.loop import Batch, TrainingRun, training
from hounsfield.core.training.schedules import warm_up_cosine
from hounsfield.core.training.stops import Stopped
from programs import ask_to_stop

SAMPLES, BATCH, EPOCHS = 18, 4, 3
STEPS = 5  # of an epoch: the last batch has two samples
INPUTS = torch.from_numpy(np.random.default_rng(0).normal(size=(SAMPLES, 3)).astype(np.float32))
TARGETS = INPUTS.sum(dim=1).sin()


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Numbers:
    """An epoch's batches of samples by number."""

    def __init__(
        self, epoch: int, devices: Devices, *, batch_size: int = BATCH, parts: int = 1, steps: int | None = None
    ) -> None:
        self._rows = batches(epoch_order(1, epoch, SAMPLES), batch_size)[:steps]
        self._place = {"rank": devices.rank, "world": devices.world, "parts": parts}

    def __len__(self) -> int:
        return len(self._rows)

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        for rows in self._rows[first:]:
            yield [Batch(s.samples, torch.from_numpy(s.weights)) for s in split_batch(rows, **self._place)]

    def describe(self, step: int) -> str:
        return f"the numbers {self._rows[step].tolist()}"


class Outcome(NamedTuple):
    weights: list[Tensor]
    carried: Tensor
    rates: list[float]  # learning rate of each step that was taken
    was_fresh: bool


def network_of(*, dropout: float) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))


def train(
    folder: Path,
    devices: Devices = CPU,
    *,
    epochs: int = EPOCHS,
    dropout: float = 0.5,
    before_step: Callable[[int], None] = lambda _: None,
    after_steps: Callable[[TrainingRun], None] = lambda _: None,
    no_number_at: int = -1,
    plateau: bool = False,
    warm_up: float | None = None,
    clip_norm: float | None = None,
    **options: int,
) -> Outcome:
    """Train in `folder` to the end. before_step: called with the number of the loss, before it is computed.

    no_number_at: the number of the loss that is NaN. plateau: the rate falls after an epoch that scored no better than
    the one before it, which they all do from the second on. warm_up: the rate rises and falls with each step.
    """
    network = network_of(dropout=dropout)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    schedule: LRScheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2], 0.5)
    if plateau:
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", 0.5, patience=0)
    elif warm_up is not None:
        schedule = warm_up_cosine(optimizer, epochs * STEPS, warm_up)
    rates: list[float] = []

    def loss(rows: np.ndarray) -> Tensor:
        before_step(len(rates))
        factor = np.nan if len(rates) == no_number_at else 1
        rates.append(optimizer.param_groups[0]["lr"])
        return factor * (network(INPUTS[rows])[:, 0] - TARGETS[rows]) ** 2

    with training(
        folder, network, optimizer, schedule, devices, seed=1, save_every=2, name="test", scalars=folder / "scalars",
        clip_norm=clip_norm, schedule_by="epoch" if warm_up is None else "step",
    ) as run:  # fmt: skip
        if run.is_fresh:
            run.tensors["carried"] = torch.zeros(())
        while run.epoch < epochs:
            run.steps(Numbers(run.epoch, devices, **options), loss)
            after_steps(run)
            run.tensors["carried"] += network[0].weight.detach().sum()
            run.end_epoch({"weighted_log_loss": 0.5}, score=0.5)
        carried = run.tensors["carried"].clone()
    return Outcome([value.clone() for value in network.state_dict().values()], carried, rates, run.is_fresh)


def same(one: Outcome, other: Outcome) -> bool:
    pairs = zip([*one.weights, one.carried], [*other.weights, other.carried], strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def die_at(step: int) -> Callable[[int], None]:
    def die(number: int) -> None:
        if number == step:
            raise Killed

    return die


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return train(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("step", range(EPOCHS * STEPS))
def test_a_run_killed_in_any_step_goes_on_to_the_same_bytes(tmp_path: Path, undisturbed: Outcome, step: int) -> None:
    with pytest.raises(Killed):
        train(tmp_path, before_step=die_at(step))
    resumed = train(tmp_path)
    assert resumed.was_fresh == (step < 2)  # the first state is saved after two steps
    assert same(resumed, undisturbed)


def test_a_rate_that_changes_with_each_step_rises_over_its_share_and_falls_as_a_cosine(tmp_path: Path) -> None:
    rates = train(tmp_path, warm_up=0.2).rates
    rise = [0.1 * (step + 1) / 3 for step in range(3)]  # a fifth of 15 steps
    fall = [0.1 * (1 + np.cos(np.pi * step / 12)) / 2 for step in range(12)]
    np.testing.assert_allclose(rates, rise + fall, rtol=1e-9)


@pytest.mark.parametrize("step", [2, 5, 8])
def test_a_killed_run_goes_on_at_the_rate_of_its_step(tmp_path: Path, step: int) -> None:
    undisturbed = train(tmp_path / "undisturbed", warm_up=0.2)
    with pytest.raises(Killed):
        train(tmp_path / "killed", warm_up=0.2, before_step=die_at(step))
    resumed = train(tmp_path / "killed", warm_up=0.2)
    assert resumed.rates == undisturbed.rates[-len(resumed.rates) :]
    assert same(resumed, undisturbed)


def test_a_run_killed_again_and_again_goes_on_to_the_same_bytes(tmp_path: Path, undisturbed: Outcome) -> None:
    for step in (3, 2, 4):
        with pytest.raises(Killed):
            train(tmp_path, before_step=die_at(step))
    assert same(train(tmp_path), undisturbed)


def test_a_run_killed_after_an_epochs_last_step_takes_no_step_twice(tmp_path: Path, undisturbed: Outcome) -> None:
    def die_in_the_second(run: TrainingRun) -> None:
        if run.epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        train(tmp_path, after_steps=die_in_the_second)
    resumed = train(tmp_path)
    assert len(resumed.rates) == STEPS
    assert same(resumed, undisturbed)


def test_dropout_differs_from_step_to_step_and_from_epoch_to_epoch(tmp_path: Path) -> None:
    drawn: list[float] = []
    train(tmp_path, before_step=lambda _: drawn.append(float(torch.rand(()))))
    assert len(set(drawn)) == EPOCHS * STEPS


def test_the_learning_rate_goes_on_where_it_was(tmp_path: Path, undisturbed: Outcome) -> None:
    assert undisturbed.rates == [0.1] * 2 * STEPS + [0.05] * STEPS
    with pytest.raises(Killed):
        train(tmp_path, before_step=die_at(STEPS + 2))
    assert train(tmp_path).rates == undisturbed.rates[STEPS + 2 :]


def test_a_rate_that_waits_for_a_plateau_falls_by_the_score_and_goes_on_where_it_was(tmp_path: Path) -> None:
    rates = train(tmp_path / "undisturbed", plateau=True).rates
    assert rates == [0.1] * 2 * STEPS + [0.05] * STEPS  # the first epoch is the best, and the second no better
    with pytest.raises(Killed):
        train(tmp_path / "killed", plateau=True, before_step=die_at(STEPS + 2))
    assert train(tmp_path / "killed", plateau=True).rates == rates[STEPS + 2 :]


def test_gradients_are_brought_down_to_the_norm_together(tmp_path: Path) -> None:
    """Of SGD without a step before it, the change is the rate times the gradient."""
    start = network_of(dropout=0).state_dict().values()

    def change(**options: float) -> Tensor:
        folder = tmp_path / str(options.get("clip_norm"))
        after = train(folder, epochs=1, dropout=0, steps=1, **options).weights
        return torch.cat([(new - old).flatten() for new, old in zip(after, start, strict=True)])

    whole, clipped = change(), change(clip_norm=0.01)
    assert whole.norm() > 0.1 * 0.01
    torch.testing.assert_close(clipped.norm().item(), 0.1 * 0.01, rtol=1e-3, atol=0)
    torch.testing.assert_close(clipped / clipped.norm(), whole / whole.norm(), rtol=1e-3, atol=1e-5)


def test_a_request_to_stop_is_heeded_after_its_step_with_the_state_saved(tmp_path: Path, undisturbed: Outcome) -> None:
    taken: list[int] = []

    def ask_in_the_eighth(number: int) -> None:
        taken.append(number)
        if number == 7:
            ask_to_stop()

    with pytest.raises(Stopped) as stopped:
        train(tmp_path, before_step=ask_in_the_eighth)
    assert stopped.value.code == 143
    assert len(taken) == 8
    state = load_state(tmp_path / "state.pt")
    assert (state["epoch"], state["step"]) == (1, 3)  # no multiple of save_every
    assert same(train(tmp_path), undisturbed)


def test_a_request_that_comes_after_the_last_step_ends_the_program_with_the_run_complete(tmp_path: Path) -> None:
    def ask_at_the_end(run: TrainingRun) -> None:
        if run.epoch == EPOCHS - 1:
            ask_to_stop()

    with pytest.raises(Stopped):
        train(tmp_path, after_steps=ask_at_the_end)
    state = load_state(tmp_path / "state.pt")
    assert (state["epoch"], state["step"]) == (EPOCHS, 0)


def test_a_finished_run_leaves_its_scalars_and_a_state_that_goes_with_the_folder(tmp_path: Path) -> None:
    train(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"scalars", "state.pt", "state.previous.pt"}
    assert list((tmp_path / "scalars").iterdir())


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_accumulated_parts_make_the_same_step_and_report_as_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    """Five parts of a batch of four: one of them is empty. The loss that is reported is not divided by the parts."""
    said: list[str] = []
    monkeypatch.setattr(loop.logger, "info", lambda text, *values: said.append(text % values))
    whole = train(tmp_path / "whole", dropout=0)
    cut = train(tmp_path / "cut", dropout=0, parts=parts)
    losses = [line.partition("training loss ")[2] for line in said if "training loss" in line]
    assert len(losses) == 2 * EPOCHS and losses[:EPOCHS] == losses[EPOCHS:]
    assert len(cut.rates) == parts * len(whole.rates)
    for one, other in zip(whole.weights, cut.weights, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("batch_size", [SAMPLES, 7, 2])
def test_uneven_shares_of_a_batch_add_up_to_its_step(tmp_path: Path, batch_size: int) -> None:
    """The mean of what four processes change by themselves is what one changes; of two samples, two have none."""

    def change(devices: Devices) -> list[Tensor]:
        folder = tmp_path / f"{devices.rank} of {devices.world}"
        after = train(folder, devices, epochs=1, dropout=0, batch_size=batch_size, steps=1).weights
        return [new - old for new, old in zip(after, network_of(dropout=0).state_dict().values(), strict=True)]

    several = [change(one_of(4, rank)) for rank in range(4)]
    for expected, *found in zip(change(CPU), *several, strict=True):
        assert expected.abs().sum() > 0
        torch.testing.assert_close(torch.stack(found).mean(dim=0), expected)


def test_a_loss_that_is_no_number_names_the_samples_and_leaves_what_was_saved(
    tmp_path: Path, undisturbed: Outcome
) -> None:
    numbers = batches(epoch_order(1, 1, SAMPLES), BATCH)[2].tolist()
    with pytest.raises(BadInput) as refused:
        train(tmp_path, no_number_at=STEPS + 2)
    assert f"the loss is nan on the numbers {numbers}" in str(refused.value)
    assert same(train(tmp_path), undisturbed)


def test_another_precision_is_refused_naming_both(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path, before_step=die_at(4))
    with pytest.raises(StaleOutput, match=r"state\.pt.*float32.*bfloat16"):
        train(tmp_path, Devices(CPU.device, rank=0, world=1, half=torch.bfloat16))


def test_an_epochs_report_leaves_out_scores_that_are_not_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(loop.logger, "info", lambda text, *values: said.append(text % values))
    network = network_of(dropout=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with training(
        tmp_path, network, optimizer, None, CPU, seed=1, save_every=9, name="fold 3", scalars=tmp_path / "scalars"
    ) as run:
        run.steps(Numbers(0, CPU), lambda rows: network(INPUTS[rows])[:, 0] * 0 + 0.25)
        run.end_epoch({"weighted_log_loss": 0.5, "auc_any": None})
    assert "fold 3, epoch 0: training loss 0.2500, weighted log loss 0.5000" in said
    assert any(line.startswith(f"fold 3, epoch 0: {SAMPLES} samples, ") for line in said)
