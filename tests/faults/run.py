"""Do faults on purpose to the real stage programs, on phantoms, and hold what comes of them against what must.

In: nothing; phantoms are drawn into a temporary folder.
Out: preds/faults/faults.md and faults.json; exit code 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from faults.case import FULL, SMALL, STAGES, Case
from faults.changes import change_outcomes, lock_outcomes, prediction_outcomes
from faults.disks import disk_outcomes, read_only_outcomes
from faults.kills import kill_outcomes
from faults.outputs import NOT_COMPARED
from faults.stops import damage_outcomes, stop_outcomes
from faults.surroundings import surroundings_outcomes
from faults.table import Outcome, as_markdown, one_line
from faults.workers import rank_outcomes, worker_outcomes
from hounsfield.core.errors import BadInput
from hounsfield.core.logs import Stopwatch, logger, set_up_logging
from hounsfield.core.stages.command import REPOSITORY, run
from hounsfield.core.storage.files import write_bytes, write_json

PARTS = (
    "kills", "stops", "states", "disks", "workers", "ranks", "changes", "predictions", "locks", "read-only",
    "surroundings",
)  # fmt: skip
Part = Callable[[Case], Iterator[Outcome]]


def main() -> None:
    """Do the faults, print each outcome, write the table."""
    set_up_logging()
    arguments, watch = parse_arguments(), Stopwatch()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="hounsfield-faults-") as folder:
        case = Case(arguments.keep or Path(folder), SMALL if arguments.small else FULL)
        for name, part in parts(arguments).items():
            logger.info("faults: %s", name)
            for outcome in part(case):
                print(one_line(outcome), flush=True)
                outcomes.append(outcome)
    missed = [outcome for outcome in outcomes if not outcome.held]
    output = arguments.work / "preds" / "faults"
    table = as_markdown(outcomes, remarks(arguments, outcomes, watch.seconds))
    write_bytes(output / "faults.md", table.encode())
    write_json(output / "faults.json", {"outcomes": [asdict(outcome) for outcome in outcomes]})
    print(f"\n{table}")
    if missed:
        raise BadInput(f"{len(missed)} of {len(outcomes)} faults did not end as they must; see {output / 'faults.md'}")


def parts(arguments: argparse.Namespace) -> dict[str, Part]:
    """What was asked for, by name."""
    stages = tuple(stage for stage in STAGES if stage in arguments.stages)
    found: dict[str, Part] = {
        "kills": lambda case: kill_outcomes(case, arguments.kills, arguments.seed, stages),
        "stops": stop_outcomes,
        "states": damage_outcomes,
        "disks": disk_outcomes,
        "workers": worker_outcomes,
        "ranks": rank_outcomes,
        "changes": change_outcomes,
        "predictions": prediction_outcomes,
        "locks": lock_outcomes,
        "read-only": read_only_outcomes,
        "surroundings": surroundings_outcomes,
    }
    return {name: found[name] for name in PARTS if name in arguments.only}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=REPOSITORY, help="folder that holds preds")
    parser.add_argument("--kills", type=int, default=10, help="random kills of each stage")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts of the table")
    killed = ("01", "12", "13", "14")
    parser.add_argument("--stages", nargs="+", choices=killed, default=killed, help="the stages of the part `kills`")
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
