"""The training loop on a network of a few numbers: killed, stopped, and gone on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lone_devices import CPU
from small_runs import BATCH, EPOCHS, SAMPLES, STEPS, Outcome, die_at, same, train

from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.storage.checkpoints import load_state
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches, epoch_order
from hounsfield.core.training.loop import TrainingRun
from hounsfield.core.training.stops import Stopped
from killed_runs import Killed
from programs import ask_to_stop


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
