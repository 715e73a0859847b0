"""Check on a GPU that training computes what it computes on the CPU, and measure how fast it is.

In: nothing; what is trained on is drawn here, in memory or into a temporary folder. Nothing is downloaded.
Out: preds/gpu_checks/gpu_checks.md and gpu_checks.json. Exit code 1 when something falls short, 2 without a GPU.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmark.computer import computer
from gpu_checks.correctness import compile_parts, precision_parts, resume_parts
from gpu_checks.later_systems import later_tasks, published_parts
from gpu_checks.processes import process_parts
from gpu_checks.sizes import BY_NAME
from gpu_checks.speed import classifier_parts, sequence_parts
from gpu_checks.table import Check, Part, as_markdown, one_line
from gpu_checks.tasks import tasks_of
from hounsfield.core.errors import BadInput, HounsfieldError, WrongUse
from hounsfield.core.logs import Stopwatch, logger
from hounsfield.core.stages.command import REPOSITORY, run
from hounsfield.core.storage.files import write_bytes, write_json

GROUPS = ("precision", "resume", "processes", "classifier", "sequence", "published", "compile")
BUDGET = 420  # seconds; the longest part takes a minute or two


def main() -> None:
    """Check, measure, print each line as it comes, write the table."""
    options, watch, before = parse_arguments(), Stopwatch(), os.getloadavg()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise WrongUse(
            f"no CUDA device: torch {torch.__version__} sees none. Run this where nvidia-smi lists a GPU, with a torch "
            "built for CUDA (--python PATH), or try its paths at tiny sizes with --device cpu"
        )
    logger.setLevel(logging.WARNING)  # not the lines of a hundred epochs
    # read when cuBLAS is first used: without it its sums, and so the LSTM's, have no fixed order
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    checks: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="hounsfield-gpu-checks-") as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder  # else an earlier run's compilation would count as this one's
        for part in parts(options, Path(folder)):
            late = watch.seconds > options.budget
            for check in [Check(name=part.name, note="time")] if late else outcome(part):
                checks.append(check if options.device == "cuda" else replace(check, name=f"CPU, tiny: {check.name}"))
                print(one_line(checks[-1]), flush=True)
    write(checks, options, computer(before, sizes_of(options)), watch.seconds)
    missed = [check.name for check in checks if check.verdict == "falls short"]
    if missed:
        raise BadInput(f"{len(missed)} of {len(checks)} checks fall short: {'; '.join(missed)}")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=REPOSITORY, help="folder that holds preds")
    parser.add_argument("--quick", action="store_true", help="a smaller network and fewer steps for the speed")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="parts of the table")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: the same paths at tiny sizes")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds after which no part is started")
    parser.add_argument("--workers", type=int, default=min(16, os.cpu_count() or 1), help="loader processes")
    return parser.parse_args(arguments)


def sizes_of(options: argparse.Namespace) -> str:
    """The name of the sizes that are asked for."""
    return "tiny" if options.device == "cpu" else "quick" if options.quick else "full"


def parts(options: argparse.Namespace, folder: Path) -> list[Part]:
    """What was asked for, in its order."""
    device, name = torch.device(options.device), sizes_of(options)
    sizes = BY_NAME[name]
    tasks = {**tasks_of(sizes), **later_tasks(sizes)}
    found = [
        *precision_parts(tasks, device, folder),
        *resume_parts(tasks, sizes, device, folder),
        *process_parts(tasks, name, device, folder),
        *classifier_parts(sizes, device, folder, options.workers),
        *sequence_parts(sizes, device, folder),
        *published_parts(sizes, device),
        *compile_parts(tasks, sizes, device, folder),
    ]
    return [part for part in found if part.group in options.only]


def outcome(part: Part) -> list[Check]:
    """What a part gives; one line that falls short when it ends with an error."""
    try:
        return part.work()
    except (RuntimeError, HounsfieldError, OSError) as error:  # of torch, of a process; the other parts go on
        reason = " ".join(str(error).split())[:600]
        return [Check(name=part.name, tolerance=0, note=f"ended with: {reason}")]


def write(checks: Sequence[Check], options: argparse.Namespace, facts: dict[str, str], seconds: float) -> None:
    """Write the table and print it."""
    facts |= {"device": options.device, "seconds": f"{seconds:.0f}"}
    if options.device == "cpu":
        facts["mind"] = "measured on a CPU at tiny sizes; there is no figure of a GPU in this table"
    table = as_markdown(checks, [f"{name}: {value}" for name, value in facts.items()])
    output = options.work / "preds" / "gpu_checks"
    write_bytes(output / "gpu_checks.md", table.encode())
    listed = [{**asdict(check), "verdict": check.verdict} for check in checks]
    write_json(output / "gpu_checks.json", {"computer": facts, "checks": listed})
    print(f"\n{table}")


if __name__ == "__main__":
    run(main)
