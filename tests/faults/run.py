"""Do faults on purpose to the real stage programs, on phantoms, and hold what comes of them against what must.

In: nothing; phantoms are drawn into a temporary folder.
Out: preds/faults/faults.md and faults.json; exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from faults.case import Case
from faults.chains import EVERY_STAGE, FULL, SMALL
from faults.changes import change_faults, prediction_faults
from faults.disks import disk_faults, read_only_faults
from faults.ends import end_faults
from faults.kills import kill_faults
from faults.locks import lock_faults
from faults.outputs import NOT_COMPARED
from faults.stops import damage_faults, stop_faults
from faults.surroundings import surroundings_faults
from faults.table import Fault, Outcome, as_markdown, one_line
from faults.workers import rank_faults, worker_faults
from hounsfield.core.errors import BadInput
from hounsfield.core.logs import Stopwatch
from hounsfield.core.stages.command import REPOSITORY, run
from hounsfield.core.stages.ranges import whole_count
from hounsfield.core.storage.files import write_bytes, write_json

PARTS = (
    "kills", "stops", "ends", "states", "disks", "workers", "ranks", "changes", "predictions", "locks", "read-only",
    "surroundings",
)  # fmt: skip
Part = Callable[[Case], Iterator[Fault]]


def main() -> None:
    """Do the faults, print each outcome, write the table."""
    arguments, watch = parse_arguments(), Stopwatch()
    with tempfile.TemporaryDirectory(prefix="hounsfield-faults-") as folder:
        case = Case(arguments.keep or Path(folder), SMALL if arguments.small else FULL)
        outcomes = side_by_side(case, [fault for part in parts(arguments) for fault in part(case)], arguments.jobs)
    missed = [outcome for outcome in outcomes if not outcome.held]
    output = arguments.work / "preds" / "faults"
    table = as_markdown(outcomes, remarks(arguments, outcomes, watch.seconds))
    write_bytes(output / "faults.md", table.encode())
    write_json(output / "faults.json", {"outcomes": [asdict(outcome) for outcome in outcomes]})
    print(f"\n{table}")
    if missed:
        raise BadInput(f"{len(missed)} of {len(outcomes)} faults did not end as they must; see {output / 'faults.md'}")


def side_by_side(case: Case, faults: Sequence[Fault], jobs: int) -> list[Outcome]:
    """Do the faults, so many at a time, and print each outcome as it comes. Returns them in the order of `faults`."""
    with ThreadPoolExecutor(jobs) as pool:
        done = [pool.submit(fault) for fault in faults]
        try:
            for outcome in as_completed(done):
                print(one_line(outcome.result()), flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            case.close()
            raise
    return [outcome.result() for outcome in done]


def parts(arguments: argparse.Namespace) -> list[Part]:
    """What was asked for."""
    stages = tuple(stage for stage in EVERY_STAGE if stage in arguments.stages)
    found: dict[str, Part] = {
        "kills": lambda case: kill_faults(case, arguments.kills, arguments.seed, stages),
        "stops": stop_faults,
        "ends": end_faults,
        "states": damage_faults,
        "disks": disk_faults,
        "workers": worker_faults,
        "ranks": rank_faults,
        "changes": change_faults,
        "predictions": prediction_faults,
        "locks": lock_faults,
        "read-only": read_only_faults,
        "surroundings": surroundings_faults,
    }
    return [found[name] for name in PARTS if name in arguments.only]


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=REPOSITORY, help="folder that holds preds")
    parser.add_argument("--kills", type=whole_count, default=10, help="random kills of each stage")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts of the table")
    killed = tuple(stage for stage in EVERY_STAGE if stage != "15")
    parser.add_argument("--stages", nargs="+", choices=killed, default=killed, help="the stages of the part `kills`")
    cores = min(4, len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--jobs", type=whole_count, default=cores, help="faults side by side (default: one per core, to 4)"
    )
    parser.add_argument("--small", action="store_true", help="the smallest phantoms: quick, and kills hardly hit")
    parser.add_argument("--keep", type=Path, default=None, help="work in this folder, and leave it for inspection")
    return parser.parse_args(arguments)


def remarks(arguments: argparse.Namespace, outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """What the table rests on."""
    left_out = "; ".join(f"{pattern} ({reason})" for pattern, reason in NOT_COMPARED.items())
    held = sum(outcome.held for outcome in outcomes)
    return [
        f"{held} of {len(outcomes)} held, in {seconds:.0f} s",
        f"kills: {arguments.kills} a stage, seed {arguments.seed}",
        f"compared is every file below data/, checkpoints/ and preds/, but: {left_out}",
    ]


if __name__ == "__main__":
    run(main)
