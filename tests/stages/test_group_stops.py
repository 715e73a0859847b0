"""A stage that is told to stop together with everything that it has started, as clusters and terminals do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell_tree import nobody_is_left

from conftest import Work, copy_work, work_at
from faults.processes import PATIENCE
from hounsfield.core.storage.checkpoints import load_state
from programs import REPOSITORY

STATE = Path("checkpoints/hemorrhage/mini/fold0/unfinished/state.pt")
OPTIONS = (
    *("--fold", "0", "--classifier.workers", "2"),
    *("--classifier.epochs", "400", "--classifier.save_every", "100000"),
)


def start(work: Work, log: Path) -> subprocess.Popen[bytes]:
    """Stage 12 in a session of its own, with two loader processes."""
    command = ["sh", str(REPOSITORY / "bin" / "run_12_trainfull_imgclassifier.sh"), *work.arguments, *OPTIONS]
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable, "HOME": os.environ.get("HOME", "/")}
    return subprocess.Popen(command, env=environment, stderr=log.open("wb"), start_new_session=True)


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_stop_sent_to_the_whole_group_saves_and_ends_with_143_every_time(tmp_path: Path, prepared: Work) -> None:
    work = work_at(tmp_path / "work")
    copy_work(prepared, work)
    state, reached = work.folder / STATE, (0, 0)
    for trial in range(3):
        log = tmp_path / f"log{trial}"
        stage = start(work, log)
        until(lambda log=log, epochs=trial: log.read_text().count("training loss") > epochs)
        time.sleep(0.1 * trial)
        os.killpg(stage.pid, signal.SIGTERM)
        assert stage.wait(PATIENCE) == 128 + signal.SIGTERM, log.read_text()
        assert "stopped on request, saved at" in log.read_text()
        assert ("going on from" in log.read_text()) == (trial > 0)
        saved = load_state(state)
        assert (saved["epoch"], saved["step"]) >= reached
        reached = (saved["epoch"], saved["step"])
        assert nobody_is_left(stage.pid)
