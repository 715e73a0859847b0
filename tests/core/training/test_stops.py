"""Requests to stop while data stall, and loader processes that die or stand still."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from faults.processes import PATIENCE
from hounsfield.core.errors import BadInput
from hounsfield.core.training import batches
from hounsfield.core.training.batches import delivered
from hounsfield.core.training.stops import Stopped, stop_on_sigterm
from programs import ask_to_stop

STALL = 600  # seconds


class Items(Dataset):
    """Numbers; the last one never comes, since its disk does not answer, or its process dies."""

    def __init__(self, at_the_end: str) -> None:
        self._at_the_end = at_the_end

    def __len__(self) -> int:
        return 3

    def __getitem__(self, item: int) -> torch.Tensor:
        if item == 2 and self._at_the_end == "stalls":
            time.sleep(STALL)
        if item == 2 and self._at_the_end == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.tensor(item)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SECONDS_BETWEEN_LOOKS", 1)
    monkeypatch.setattr(batches, "SECONDS_TO_WARN", 1)


def opened(at_the_end: str):
    loader = DataLoader(Items(at_the_end), batch_size=1, num_workers=1, worker_init_fn=batches._one_thread)
    return delivered(loader, lambda number: [f"ID_{number}"], "slices", "lower workers")


def test_a_stop_is_heeded_while_data_stall_and_the_awaited_slices_are_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batches.logger, "propagate", True)
    with caplog.at_level(logging.WARNING), pytest.raises(Stopped) as stopped, stop_on_sigterm():
        loaded = opened("stalls")
        assert [int(next(loaded)), int(next(loaded))] == [0, 1]
        said = batches.logger.warning

        def stop_when_said(*words: object) -> None:
            said(*words)
            ask_to_stop()

        monkeypatch.setattr(batches.logger, "warning", stop_when_said)
        begin = time.monotonic()
        next(loaded)
    assert stopped.value.code == 143
    assert time.monotonic() - begin < STALL / 2
    assert "ID_2" in caplog.text and "awaited" in caplog.text


def test_a_loader_that_dies_by_the_same_request_is_no_error() -> None:
    with pytest.raises(Stopped), stop_on_sigterm():
        loaded = opened("dies")
        ask_to_stop()
        list(loaded)


def test_a_loader_that_dies_by_itself_is_named_with_the_slices_to_come() -> None:
    with pytest.raises(BadInput, match=r"ID_[012]"):  # what it had ready may have gone with it
        list(opened("dies"))


INTERRUPTED = """
import signal, time
from hounsfield.core.logs import set_up_logging
from hounsfield.core.stages.exits import run
from hounsfield.core.training.stops import stop_on_sigterm
def main():
    set_up_logging()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it, and their children
    with stop_on_sigterm() as stop:
        print("here", flush=True)
        while not stop.received:
            time.sleep(0.05)
        if ONCE:
            return
        print("asked", flush=True)
        time.sleep(60)
run(main)
"""


@pytest.mark.parametrize(("once", "status"), [(True, 143), (False, 130)])
def test_ctrl_c_is_a_request_and_a_second_one_ends_at_once(once: bool, status: int) -> None:
    scripts = Path(__file__).parents[3] / "scripts"
    code = INTERRUPTED.replace("ONCE", str(once))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env={"PYTHONPATH": str(scripts)}, text=True
    ) as program:
        assert program.stdout.readline() == "here\n"
        program.send_signal(signal.SIGINT)
        if not once:
            assert program.stdout.readline() == "asked\n"
            program.send_signal(signal.SIGINT)
        assert program.wait(PATIENCE) == status
