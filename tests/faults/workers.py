"""Processes that die under a run: those that load images, those of the preparation's pool, and a rank of several."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faults.case import Case, check_equal, must_end_well, told
from faults.chains import CHECKPOINTS, STAGES
from faults.disks import shortened
from faults.moments import epoch_and_step, killed_midway, place
from faults.processes import Running, command_line, descendants, kill, survivors
from faults.table import Checks, Fault, Outcome
from hounsfield.core.storage.checkpoints import load_weights

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
TWICE = (*TWO, "--max-restarts", "1")


def worker_faults(case: Case) -> Iterator[Fault]:
    """Kill one of the processes that work for a run."""
    for stage in ("12", "13"):
        yield partial(loader_killed, case, stage)
    yield partial(pool_worker_killed, case)


def loader_killed(case: Case, stage: str) -> Outcome:
    """SIGKILL the process that loads images, as the system does when memory runs out."""
    checks, work = Checks(), case.fresh(stage, "loader")
    with case.start(stage, work) as running:
        case.at_work(stage, work, running)
        running.pause()  # so that its loader is still at work when it is found
        loaders = [pid for pid in descendants(running.pid) if command_line(pid) == command_line(running.pid)]
        for pid in loaders[:1]:
            kill(pid)
        running.go_on()
        ended = running.wait()
    checks.check(bool(loaders), f"killed at {place(stage, work)}", "no loader was found")
    clear = ended.status == 1 and "ID_" in ended.error and "workers" in ended.error and "Traceback" not in ended.said
    checks.check(clear, f"in {ended.seconds:.0f} s: {ended.error[:400]}", told(ended))
    case.check_resumes(checks, stage, work)
    expected = "no hang; the error names the slices and the remedy; same bytes"
    return checks.outcome("7. loader killed", f"{stage}, SIGKILL to the loader process", expected)


def pool_worker_killed(case: Case) -> Outcome:
    """SIGKILL one process of the preparation's pool."""
    checks, work = Checks(), case.fresh("01", "pool")
    with case.start("01", work) as running:
        case.at_work("01", work, running)
        running.pause()  # so that its pool is still there when it is found
        pool = [pid for pid in descendants(running.pid) if "loky" in command_line(pid)]
        pool = [pid for pid in pool if "resource_tracker" not in command_line(pid)]
        at = place("01", work)
        for pid in pool[:1]:
            kill(pid)
        running.go_on()
        ended = running.wait()
    checks.check(bool(pool), f"killed at {at}", "no process of the pool was found")
    if checks.check(ended.status == 0, "the run goes on: exit 0", told(ended)):
        case.check_same(checks, "01", work)
    return checks.outcome("7. pool worker killed", "01, SIGKILL to a process of its pool", "goes on; same bytes")


def rank_faults(case: Case) -> Iterator[Fault]:
    """Two processes under torchrun."""
    yield partial(rank_killed, case, TWO, "the same command again")
    yield partial(rank_killed, case, TWICE, "--max-restarts 1")
    yield partial(ranks_asked_to_stop, case)
    yield partial(other_rank_count, case)
    yield partial(one_error_line, case)


def undisturbed_ranks(case: Case) -> dict[str, str]:
    """The digests of all files after the undisturbed run of two processes."""

    def train(work: Path) -> None:
        shutil.copytree(case.before("12"), work)
        must_end_well("the undisturbed run of two processes", case.run("12", work, launch=TWO))

    return case.digests(case.once("12_two_ranks", train))


def rank_killed(case: Case, launch: tuple[str, ...], how: str) -> Outcome:
    """SIGKILL the second rank."""
    checks, work, expected = Checks(), case.fresh("12", f"rank {how}"), undisturbed_ranks(case)
    with case.start("12", work, launch=launch) as running:
        hit = running.until(lambda: epoch_and_step(work, "12") > (0, 4))
        family, at = descendants(running.pid), place("12", work)
        for pid in ranks(running)[1:2]:
            kill(pid)
        ended = running.wait()
    checks.check(hit, f"killed at {at}", "the run ended before")
    left = survivors(family)
    checks.check(not left, "no orphans", f"{len(left)} processes left")
    if launch is TWO:
        failed = ended.status not in (0, None)
        checks.check(failed, f"ended with {ended.status} in {ended.seconds:.0f} s", told(ended))
        ended = case.run("12", work, launch=launch)
    if checks.check(ended.status == 0, "exit 0", told(ended)):
        check_equal(checks, work, expected)
    return checks.outcome("8. rank killed", f"12 on 2 ranks, {how}", "all restart; the undisturbed 2-rank run's bytes")


def ranks_asked_to_stop(case: Case) -> Outcome:
    """SIGTERM to torchrun, which passes it on to all."""
    checks, work, expected = Checks(), case.fresh("12", "ranks_stopped"), undisturbed_ranks(case)
    with case.start("12", work, launch=TWO) as running:
        running.until(lambda: epoch_and_step(work, "12") > (0, 4))
        family = descendants(running.pid)
        running.ask_to_stop()
        ended = running.wait()
    checks.check(ended.status not in (0, None), f"torchrun ends with {ended.status}", told(ended))
    left = survivors(family)
    checks.check(not left, "no orphans", f"{len(left)} processes left")
    checks.note(f"saved {place('12', work)}")
    again = case.run("12", work, launch=TWO)
    if checks.check(again.status == 0, "started again: exit 0", told(again)):
        checks.check("going on from" in again.said, "went on", "began anew")
        check_equal(checks, work, expected)
    return checks.outcome("2. SIGTERM", "12 on 2 ranks", "state saved; resumed to the undisturbed 2-rank run's bytes")


def other_rank_count(case: Case) -> Outcome:
    """Go on with two processes where one began."""
    checks, work = Checks(), killed_midway(case, "12", "rank_count")
    at = place("12", work)
    ended = case.run("12", work, launch=TWO)
    told_so = "going on with 2 processes instead of 1: the same slices in the same order" in ended.said
    if checks.check(ended.status == 0 and told_so, f"from {at}, says that sums are rounded otherwise", told(ended)):
        checks.note(f"weights differ by at most {largest_difference(case, work):.2g}")
    expected = "goes on and says what differs (documented: the same only for the same number of processes)"
    return checks.outcome("9. other rank count", "12 killed on 1, gone on with 2 ranks", expected)


def one_error_line(case: Case) -> Outcome:
    """Make both ranks fail alike."""
    checks, work = Checks(), case.fresh("12", "one_error")
    (work / "data" / "phantom" / "slices.parquet").unlink()
    ended = case.run("12", work, launch=TWO)
    lines = [line for line in ended.said.splitlines() if line.startswith("error: ")]
    one = len(lines) == 1 and ended.said.count("slices.parquet is missing") == 1
    checks.check(one, f"once: {shortened(lines[0], work) if lines else ''}", f"{len(lines)} error lines")
    return checks.outcome("error under torchrun", "12 on 2 ranks without its table", "one error line, not one a rank")


def ranks(running: Running) -> list[int]:
    """The training processes below torchrun, and not their loaders."""
    program = STAGES["12"].program
    below = [pid for pid in descendants(running.pid) if program in command_line(pid)]
    return [pid for pid in below if not any(pid in descendants(other) for other in below if other != pid)]


def largest_difference(case: Case, work: Path) -> float:
    """The largest difference of a weight from the undisturbed run of one process."""
    name = f"{CHECKPOINTS}/epoch{case.sizes.epochs - 1}.safetensors"
    own, _ = load_weights(work / name)
    other, _ = load_weights(case.undisturbed("12") / name)
    return max(float((own[key].double() - other[key].double()).abs().max()) for key in own)
