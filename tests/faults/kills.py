"""SIGKILL at random moments of a run's work, again and again, and what comes out in the end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from faults.case import Case
from faults.chains import EVERY_STAGE
from faults.moments import killed_midway, place
from faults.outputs import contents, differing
from faults.table import Checks, Fault, Outcome

EXPECTED = "the same command, started again after each kill, ends with the undisturbed run's bytes; no orphans"
TRIES_A_KILL = 6  # so many runs may end by themselves for each that is hit


def kill_faults(case: Case, kills: int, seed: int, stages: tuple[str, ...]) -> Iterator[Fault]:
    """Kill each stage `kills` times, then once more and go on with another number of loader processes."""
    for stage in stages:
        yield partial(killed, case, stage, kills, seed)
        if EVERY_STAGE[stage].other_workers:
            yield partial(killed_and_gone_on_otherwise, case, stage)


def killed(case: Case, stage: str, kills: int, seed: int) -> Outcome:
    """Kill one stage in the same folder until `kills` have hit; a run that ends before counts as a resumed one."""
    checks, landed, whole, orphans = Checks(), list[str](), 0, 0
    moments = random_moments(case, stage, kills * TRIES_A_KILL, seed)
    work = case.fresh(stage, "killed")
    wrong: list[str] = []
    for moment in moments:
        if len(landed) == kills:
            break
        hit, left = kill_at(case, stage, work, moment)
        orphans += left
        if hit:
            landed.append(place(stage, work))
        else:
            whole += 1
            wrong += differing(contents(work), case.expected(stage))
            work = case.fresh(stage, "killed")
    checks.check(len(landed) == kills, f"{kills} kills landed at {', '.join(landed)}", f"only {len(landed)} kills hit")
    checks.check(not orphans, "no orphans", f"{orphans} processes outlived the kill")
    if whole:
        told = f"{whole} runs ended between kills: "
        checks.check(not wrong, f"{told}0 files differ", f"{told}{', '.join(wrong[:3])}")
    case.check_resumes(checks, stage, work)
    return checks.outcome("1. SIGKILL", f"{stage} killed {kills} times, seed {seed}", EXPECTED)


def killed_and_gone_on_otherwise(case: Case, stage: str) -> Outcome:
    """Kill one stage, and go on with another number of loader or pool processes."""
    checks, work, options = Checks(), killed_midway(case, stage, "otherwise"), EVERY_STAGE[stage].other_workers
    checks.note(f"landed at {place(stage, work)}")
    case.check_resumes(checks, stage, work, *options)
    done = f"{stage} killed, and gone on with {' '.join(options)}"
    return checks.outcome("9. other worker count", done, "the undisturbed run's bytes")


def random_moments(case: Case, stage: str, count: int, seed: int) -> list[float]:
    """Seconds after a run's first output, uniform over the undisturbed run's work."""
    return list(np.random.default_rng([seed, int(stage)]).uniform(0, case.seconds(stage), count))


def kill_at(case: Case, stage: str, work: Path, moment: float) -> tuple[bool, int]:
    """Start a stage, kill it `moment` seconds after its first output. Returns whether it hit, and the orphans left."""
    with case.start(stage, work) as running:
        if not case.at_work(stage, work, running) or running.ends_within(moment):
            return False, 0
        return True, len(running.kill())
