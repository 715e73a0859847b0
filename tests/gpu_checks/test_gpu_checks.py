"""The GPU checks on a CPU, at tiny sizes: that each can hold and can fall short. Nothing here is timed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from faults.processes import PATIENCE
from gpu_checks import correctness, processes
from gpu_checks.published_loop import squared
from gpu_checks.runs import Task
from gpu_checks.sizes import TINY
from gpu_checks.table import Check, Part, as_markdown
from gpu_checks.tasks import tasks_of
from hounsfield.core.errors import WrongUse
from hounsfield.core.imaging.boxes import box_of_shown, crop_to_square
from hounsfield.core.logs import logger
from hounsfield.core.training.state import TrainingState
from programs import load_program, run_program

PROGRAM, CPU = "gpu_checks/run", torch.device("cpu")


@pytest.fixture(autouse=True)
def left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The program is a process by itself elsewhere: what it sets holds until that ends."""
    level, threads = logger.level, torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy computer small networks wait for each other's threads
    for variable in ("CUBLAS_WORKSPACE_CONFIG", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.setenv(variable, "")
    yield
    logger.setLevel(level)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    return tasks_of(TINY)


def check_of(parts: list[Part], name: str) -> Check:
    (found,) = [part for part in parts if part.name == name]
    (check,) = found.work()
    return check


def written(work: Path) -> dict:
    return json.loads((work / "preds" / "gpu_checks" / "gpu_checks.json").read_text())


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (Check(name="a", measured=1e-3, tolerance=1e-3), "holds"),
        (Check(name="a", measured=2e-3, tolerance=1e-3), "falls short"),
        (Check(name="a", measured=float("nan"), tolerance=1e-3), "falls short"),
        (Check(name="a", tolerance=1e-3, note="out of memory"), "falls short"),
        (Check(name="a", measured=300, unit="images/s"), "reported"),
        (Check(name="a", note="time"), "not run"),
    ],
)
def test_a_line_says_whether_it_holds(check: Check, verdict: str) -> None:
    assert check.verdict == verdict
    assert f"| {verdict} |" in as_markdown([check], [])


def test_without_a_card_one_message_says_so_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WrongUse, match=r"no CUDA device.*--device cpu") as refused:
        run_program(PROGRAM, "--work", tmp_path)
    assert refused.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_what_the_time_does_not_suffice_for_is_listed_as_not_run(tmp_path: Path) -> None:
    run_program(PROGRAM, "--device", "cpu", "--budget", 0, "--work", tmp_path)
    checks = written(tmp_path)["checks"]
    assert {(check["verdict"], check["note"]) for check in checks} == {("not run", "time")}
    assert len(checks) == 5 * 4 + 3 * 2 + 2 + 4 + 3 + 8 + 2


@pytest.mark.slow
def test_lines_of_a_cpu_are_marked_and_its_table_says_that_no_figure_is_of_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_program(PROGRAM, "--device", "cpu", "--only", "sequence", "--work", tmp_path)
    found = written(tmp_path)
    assert [check["unit"] for check in found["checks"]] == ["series/s"] * 3
    assert all(check["name"].startswith("CPU, tiny: ") and check["measured"] > 0 for check in found["checks"])
    assert "no figure of a GPU" in found["computer"]["mind"]
    assert (tmp_path / "preds" / "gpu_checks" / "gpu_checks.md").read_text() in capsys.readouterr().out


@pytest.mark.parametrize("name", ["hemorrhage classifier", "sequence network"])
def test_each_network_trains_in_half_precision_as_in_single(tasks: dict[str, Task], tmp_path: Path, name: str) -> None:
    check = check_of(correctness.precision_parts(tasks, CPU, tmp_path), f"{name}, bf16")
    assert check.verdict == "holds", check
    assert check.measured > 0


def test_losses_of_other_weights_fall_short(tasks: dict[str, Task], tmp_path: Path) -> None:
    task = tasks["hemorrhage classifier"]

    def build(devices: correctness.Devices) -> nn.Module:
        network = task.build(devices)
        if devices.half is not None:
            network.get_classifier().weight.data.mul_(2)
        return network

    parts = correctness.precision_parts({"hemorrhage classifier": replace(task, build=build)}, CPU, tmp_path)
    assert check_of(parts, "hemorrhage classifier, bf16").verdict == "falls short"


@pytest.mark.parametrize("name", ["stacking classifier", "sequence network"])
def test_a_run_stopped_within_an_epoch_goes_on_to_the_same_weights(
    tasks: dict[str, Task], tmp_path: Path, name: str
) -> None:
    check = check_of(correctness.resume_parts(tasks, TINY, CPU, tmp_path), f"kill and resume, {name}, fp32")
    assert check.measured == 0
    assert "stopped after 5 of 6 steps, then took the last 1" in check.note


def without_the_optimizer(restore: Callable[[TrainingState], bool], state: TrainingState) -> bool:
    fresh = state.optimizer.state_dict()
    found = restore(state)
    state.optimizer.load_state_dict(fresh)
    return found


@pytest.mark.parametrize("forget", [without_the_optimizer, lambda restore, state: False])
def test_a_run_that_forgets_its_optimizer_or_all_of_its_state_falls_short(
    tasks: dict[str, Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[..., bool]
) -> None:
    restore = TrainingState.restore
    monkeypatch.setattr(TrainingState, "restore", lambda state: forget(restore, state))
    parts = correctness.resume_parts(tasks, TINY, CPU, tmp_path)
    assert check_of(parts, "kill and resume, sequence network, fp32").verdict == "falls short"


def test_a_part_that_ends_with_an_error_is_a_line_that_falls_short() -> None:
    def work() -> list[Check]:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 9 GB")

    (check,) = load_program(PROGRAM).outcome(Part("classifier", "this loop", work))
    assert (check.name, check.verdict) == ("this loop", "falls short")
    assert check.note == "ended with: CUDA out of memory. Tried to allocate 9 GB"


def test_published_kind_of_loop_crops_as_the_first_system_does() -> None:
    image = np.zeros((40, 50, 3), np.uint8)
    image[5:30, 10:20, 1] = 7
    np.testing.assert_array_equal(np.asarray(squared(image)), crop_to_square(image, box_of_shown(image)))


@pytest.mark.slow
def test_every_path_that_a_cpu_has_runs_and_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is captured and differentiated, and not made machine code, which takes minutes."""
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(processes, "SECONDS", PATIENCE)
    run_program(PROGRAM, "--device", "cpu", "--workers", 2, "--budget", 10 * PATIENCE, "--work", tmp_path)
    verdicts = {check["name"]: check["verdict"] for check in written(tmp_path)["checks"]}
    assert {name for name, verdict in verdicts.items() if verdict == "not run"} == {
        f"CPU, tiny: {name} network, fp16" for name in ("sequence", "fracture")
    }
    assert sum(verdict == "holds" for verdict in verdicts.values()) == 5 * 4 - 2 + 3 * 2 + 2 * 2 + 2
