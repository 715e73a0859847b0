"""A training stage says how far it is, when all of it will be done, and what disk its weights take."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from torch import nn

from hounsfield.core import logs
from hounsfield.core.errors import BadInput
from hounsfield.core.storage.files import write_json
from hounsfield.core.training import course as courses
from hounsfield.core.training.course import Course, PlannedRun

NETWORK = nn.Linear(999, 1000)  # 4 MB of weights
WEIGHTS = 4_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(courses.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def needed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(courses, "need_space", lambda label, needed, folder, what: found.append(needed))
    return found


def plan(tmp_path: Path, *costs: float, epochs: int = 4, kept: int = 2) -> list[PlannedRun]:
    return [PlannedRun(tmp_path / f"fold{number}", epochs, kept, cost) for number, cost in enumerate(costs)]


def finish(run: PlannedRun) -> None:
    run.folder.mkdir()
    write_json(run.folder / "output.json", {"stage": "run_12", "settings": {}, "inputs": {}, "files": {}, "facts": {}})


def test_the_end_of_all_runs_follows_from_the_rate_of_the_epochs_so_far(tmp_path: Path, clock: list[float]) -> None:
    runs = plan(tmp_path, 1, 1, 1)
    course = Course(runs, force=False)
    course.begin_run(runs[0].folder, NETWORK)
    course.begin_epoch(0, 0)
    clock[0] += 10
    # 10 s for a tenth of an epoch: 3.9 epochs of this run and 8 of the others take 1190 s
    assert course.outlook(0.1) == "run 1 of 3, epoch 1 of 4, about 20 min to the end of all"
    for _ in range(4):
        course.end_epoch()
    clock[0] += 30  # 40 s for four epochs
    course.begin_run(runs[1].folder, NETWORK)
    course.begin_epoch(0, 0)
    assert course.outlook(0) == "run 2 of 3, epoch 1 of 4, about 80 s to the end of all"


def test_finished_runs_take_no_time_and_a_resumed_epoch_counts_from_where_it_stood(
    tmp_path: Path, clock: list[float]
) -> None:
    runs = plan(tmp_path, 1, 1, 1)
    finish(runs[0])
    course = Course(runs, force=False)
    assert not course.begun
    course.begin_run(runs[1].folder, NETWORK)
    assert course.begun
    course.begin_epoch(3, 0.5)
    assert course.outlook(0.5) == "run 2 of 3, epoch 4 of 4"  # nothing is measured yet
    clock[0] += 20
    assert course.outlook(0.75) == "run 2 of 3, epoch 4 of 4, about 6 min to the end of all"  # 4.25 epochs of 80 s
    again = Course(runs, force=True)
    again.begin_run(runs[1].folder, NETWORK)
    again.begin_epoch(3, 0.5)
    clock[0] += 20
    assert again.outlook(0.75).endswith("about 11 min to the end of all")  # and the four of the finished one


def test_an_epoch_of_larger_images_counts_for_more(tmp_path: Path, clock: list[float]) -> None:
    runs = plan(tmp_path, 1, 4, epochs=1)
    course = Course(runs, force=False)
    course.begin_run(runs[0].folder, NETWORK)
    course.begin_epoch(0, 0)
    clock[0] += 20
    assert course.outlook(1).endswith("about 80 s to the end of all")


def test_the_last_epoch_has_nothing_ahead_and_a_run_by_itself_no_outlook(tmp_path: Path, clock: list[float]) -> None:
    runs = plan(tmp_path, 1, epochs=1)
    course = Course(runs, force=False)
    course.begin_run(runs[0].folder, NETWORK)
    course.begin_epoch(0, 0)
    clock[0] += 5
    assert course.outlook(1) == "run 1 of 1, epoch 1 of 1"
    assert Course([], force=False).outlook(0.5) == ""


def test_disk_is_asked_once_for_all_runs_of_a_network_less_what_is_there(tmp_path: Path, needed: list[int]) -> None:
    runs = plan(tmp_path, 1, 1, 1)
    runs.append(PlannedRun(tmp_path / "other", 4, 3, network="another"))
    finish(runs[0])
    runs[1].folder.mkdir()
    (runs[1].folder / "epoch0.safetensors").write_bytes(bytes(WEIGHTS))
    course = Course(runs, force=False)
    for run in runs[1:]:
        course.begin_run(run.folder, NETWORK)
    state = 6 * WEIGHTS  # twice the network and two moments
    assert needed == [state + (1 + 2) * WEIGHTS, state + 3 * WEIGHTS]


def test_weights_that_do_not_fit_are_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10 * WEIGHTS)
    monkeypatch.setattr(logs.shutil, "disk_usage", lambda _: usage)
    runs = plan(tmp_path, 1, 1, 1)
    with pytest.raises(BadInput, match=r"weights of 3 runs and the training state need about 48\.00 MB"):
        Course(runs, force=False).begin_run(runs[0].folder, NETWORK)
