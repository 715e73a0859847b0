"""Whether a GPU trains as the CPU does, in every precision, when it is stopped in between, and when it is compiled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gpu_checks.runs import Record, Task, exact, lone, train
from gpu_checks.sizes import Sizes
from gpu_checks.table import Check, Part

# Largest difference of a step's loss. Losses fall from 0.7 to 0.5 in the eight steps; on a CPU, bf16 differs by up to
# 0.0007 and weights rounded to ten bits, as TF32 rounds, by 0.0002.
TOLERANCES = {"exact fp32": 1e-4, "fp32": 2e-3, "fp16": 5e-3, "bf16": 1e-2}
RESUMED_TOLERANCE = 1e-6  # of the distance that training moved the weights; the same bytes are expected
CLASSIFIERS = ("hemorrhage classifier", "stacking classifier")
RESUMED = (*CLASSIFIERS, "sequence network")
COMPARED = (*RESUMED, "fracture network", "outline network")


def precision_parts(tasks: Mapping[str, Task], device: torch.device, folder: Path) -> list[Part]:
    """The losses of each step in each precision, against the CPU's in float32."""

    @cache
    def losses(name: str, kind: str, precision: str) -> Record:
        context: AbstractContextManager[None] = exact() if precision == "exact fp32" else nullcontext()
        with context:
            devices = lone(torch.device(kind), precision.removeprefix("exact "))
            return train(tasks[name], devices, folder / f"{name} {kind} {precision}")

    def work(name: str, precision: str) -> list[Check]:
        if precision == "fp16" and device.type == "cpu" and not tasks[name].fp16_on_cpu:
            return [Check(name=f"{name}, fp16", note="torch trains no LSTM in fp16 on a CPU")]
        reference, found = losses(name, "cpu", "exact fp32"), losses(name, device.type, precision)
        span = f"{max(reference.losses):.2f} to {min(reference.losses):.2f}"
        return [
            Check(
                name=f"{name}, {precision}",
                compared=f"losses of {len(found.losses)} steps of {tasks[name].name} against the CPU's in fp32, {span}",
                measured=largest_difference(found, reference),
                tolerance=TOLERANCES[precision],
                note=f"{found.skipped} steps skipped by gradient scaling" if found.skipped else "",
            )
        ]

    return [
        Part("precision", f"{name}, {precision}", partial(work, name, precision))
        for name in COMPARED
        for precision in TOLERANCES
    ]


def resume_parts(tasks: Mapping[str, Task], sizes: Sizes, device: torch.device, folder: Path) -> list[Part]:
    """A run that is stopped within its second epoch and goes on, against an undisturbed one."""

    def work(name: str, precision: str) -> list[Check]:
        task, devices, place = tasks[name], lone(device, precision), folder / f"resume {name} {precision}"
        stop_at = 2 * sizes.steps - 1
        with deterministic():
            start = numbers(task.build(devices))
            whole = train(task, devices, place / "whole")
            train(task, devices, place / "stopped", stop_at=stop_at)
            resumed = train(task, devices, place / "stopped")
        after = numbers(whole.network)
        apart = float((numbers(resumed.network) - after).norm() / (after - start).norm())
        return [
            Check(
                name=f"kill and resume, {name}, {precision}",
                compared="distance of weights from an undisturbed run's, over how far training moved them",
                measured=apart if len(resumed.losses) < len(whole.losses) else None,
                tolerance=RESUMED_TOLERANCE,
                note=f"stopped after {stop_at} of {len(whole.losses)} steps, then took the last {len(resumed.losses)}",
            )
        ]

    precisions = ("fp16", "bf16") if device.type == "cuda" else ("fp32", "bf16")
    return [
        Part("resume", f"kill and resume, {name}, {precision}", partial(work, name, precision))
        for name in RESUMED
        for precision in precisions
    ]


def compile_parts(tasks: Mapping[str, Task], sizes: Sizes, device: torch.device, folder: Path) -> list[Part]:
    """The classifiers with torch.compile against the same without it, in the stages' own precision."""

    def work(name: str) -> list[Check]:
        devices = lone(device, "auto")
        plain = train(tasks[name], devices, folder / f"plain {name}")
        start = time.perf_counter()
        compiled = train(tasks[name], devices, folder / f"compiled {name}", compiled=True)
        seconds = time.perf_counter() - start
        steps = [1000 * float(np.median(np.diff(run.clock.starts[-sizes.steps :]))) for run in (compiled, plain)]
        return [
            Check(
                name=f"--compile, {name}",
                compared=f"losses of {len(plain.losses)} steps against those without, in {devices.precision}",
                measured=largest_difference(compiled, plain),
                tolerance=TOLERANCES["bf16" if devices.half else "exact fp32"],
            ),
            Check(
                name=f"--compile, {name}: whole run",
                compared=f"{len(plain.losses)} steps, compilation included",
                measured=seconds,
                unit="s",
                note=f"then {steps[0]:.1f} ms per step, {steps[1]:.1f} ms without",
            ),
        ]

    return [Part("compile", f"--compile, {name}", partial(work, name)) for name in CLASSIFIERS]


def largest_difference(one: Record, other: Record) -> float:
    """Of a step's losses; NaN where one of them is."""
    return float(np.abs(np.subtract(one.losses, other.losses)).max())


def numbers(network: nn.Module) -> Tensor:
    """All weights and running statistics, one after the other, float64 on the CPU."""
    return torch.cat([value.detach().double().flatten().cpu() for value in network.state_dict().values()])


@contextmanager
def deterministic() -> Iterator[None]:
    """Sums in a fixed order, wherever torch has such an algorithm."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
