"""Whether several processes train as one does: two that share a card, over gloo, and one of its own, over NCCL.

This file is also the program that each of those processes runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gpu_checks.runs import Task, exact, lone, train
from gpu_checks.sizes import BY_NAME
from gpu_checks.table import Check, Part
from gpu_checks.tasks import tasks_of
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.training.devices import open_devices

TOLERANCE = 2e-4  # of a step's loss: the same sums in another order, in float32
SECONDS = 120  # for one start
TASKS = ("layer norm classifier", "sequence network")


def process_parts(tasks: Mapping[str, Task], sizes: str, device: torch.device, folder: Path) -> list[Part]:
    """Losses against those of one process without communication, in float32. sizes: their name."""

    def work(processes: int, backend: str) -> list[Check]:
        out = folder / f"{processes}{backend}.json"
        start_together(processes, backend, sizes, device, out)
        found, checks = json.loads(out.read_text()), []
        for name in TASKS:
            with exact():
                one = train(tasks[name], lone(device, "fp32"), folder / f"one for {processes} {backend} {name}").losses
            checks.append(
                Check(
                    name=f"{title(processes, backend)}: {name}",
                    compared=f"losses of {len(one)} steps of {tasks[name].name} against one process's without it, fp32",
                    measured=float(np.abs(np.subtract(found[name], one)).max()),
                    tolerance=TOLERANCE,
                )
            )
        return checks

    pairs = ((2, "gloo"), (1, "nccl" if device.type == "cuda" else "gloo"))
    return [Part("processes", title(*pair), partial(work, *pair)) for pair in pairs]


def title(processes: int, backend: str) -> str:
    """How such a start is called in the table."""
    return f"{processes} process{'es on one device' if processes > 1 else ''}, {backend}"


def start_together(processes: int, backend: str, sizes: str, device: torch.device, out: Path) -> None:
    """Run this file in so many processes by torchrun. Raises RuntimeError with what they said when one fails."""
    paths = [str(REPOSITORY / "scripts"), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    card = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    environment["CUDA_VISIBLE_DEVICES"] = card if device.type == "cuda" else ""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *torchrun, __file__, "--backend", backend, "--sizes", sizes, "--out", str(out)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        raise RuntimeError(f"{title(processes, backend)}: no end after {SECONDS} s") from late
    if done.returncode:
        raise RuntimeError(f"{title(processes, backend)} ended with {done.returncode}: {done.stderr[-1500:]}")


def main() -> None:
    """Train each task as one of the processes; the first one writes the losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--sizes", choices=BY_NAME, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    tasks, losses = tasks_of(BY_NAME[arguments.sizes]), {}
    with exact(), open_devices("fp32", backend=arguments.backend) as devices:

        def wrap(network: nn.Module) -> nn.Module:
            """Communicate even where the stages would not, in a process by itself."""
            ids = [devices.device] if devices.device.type == "cuda" else None
            return DistributedDataParallel(network, device_ids=ids) if devices.world == 1 else devices.wrap(network)

        for name in TASKS:
            folder = arguments.out.with_suffix("") / name  # the same for all: it holds the run's state
            losses[name] = train(tasks[name], devices, folder, wrap=wrap).losses
    if devices.first:
        arguments.out.write_text(json.dumps(losses))


if __name__ == "__main__":
    main()
