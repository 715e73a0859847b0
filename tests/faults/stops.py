"""Requests to stop, kills at the worst moments, and training states that were damaged since."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from faults.case import Case, told
from faults.chains import STATES
from faults.moments import STATE, Moment, epoch_and_step, held, in_training, killed_at, killed_midway, place
from faults.table import Checks, Fault, Outcome
from hounsfield.core.storage.checkpoints import load_state

SECONDS_TO_STOP = 30
STOPPED = 143


def stop_faults(case: Case) -> Iterator[Fault]:
    """Stop and kill training where it is most delicate."""
    yield partial(asked_to_stop, case, "12", "in training", in_training)
    yield partial(asked_to_stop, case, "12", "in validation", partial(in_validation, case))
    yield partial(asked_to_stop, case, "14", "in training", in_training)
    yield partial(killed_in_writing, case, "12", "state.pt", kills=4)
    yield partial(killed_in_writing, case, "12", "epoch0.safetensors", kills=1)
    yield partial(killed_in_writing, case, "14", "state.pt", kills=2)
    yield partial(killed_in_validation, case)


def damage_faults(case: Case) -> Iterator[Fault]:
    """Damage the state that a killed run left."""
    for what, states, damage in (
        ("newest state cut at two thirds", ("state.pt",), cut),
        ("one bit of the newest state flipped", ("state.pt",), flip),
        ("both states cut", ("state.pt", "state.previous.pt"), cut),
    ):
        yield partial(damaged, case, what, states, damage)


def asked_to_stop(case: Case, stage: str, where: str, moment: Callable[[Path, str], bool]) -> Outcome:
    """SIGTERM at some moment: the state is saved, exit 143, and the same command goes on."""
    checks, work = Checks(), case.fresh(stage, f"stopped {where}")
    with held(case, stage, work, STATE, lambda: moment(work, stage)) as (running, hit):
        before = epoch_and_step(work, stage)
        running.ask_to_stop()
        begin = time.perf_counter()
        running.go_on()
        ended = running.wait()
    seconds = time.perf_counter() - begin
    checks.check(hit, f"asked at {place(stage, work)}", "the run ended before it could be asked")
    right = ended.status == STOPPED and seconds <= SECONDS_TO_STOP
    checks.check(right, f"exit {STOPPED} after {seconds:.1f} s", f"after {seconds:.1f} s: {told(ended)}")
    state = load_state(work / STATES[stage])
    kept = state is not None and (state["epoch"], state["step"]) >= before
    checks.check(kept, "state whole", f"state {place(stage, work)}, older than {before}")
    if where == "in validation":
        checks.check(epoch_and_step(work, stage) == before, "validation left", "stopped only later, in training")
    case.check_resumes(checks, stage, work)
    expected = f"exit {STOPPED} within {SECONDS_TO_STOP} s, the state saved; resumed to the same bytes"
    return checks.outcome("2. SIGTERM", f"{stage} {where}", expected)


def killed_in_writing(case: Case, stage: str, file: str, kills: int) -> Outcome:
    """SIGKILL with half of a file written under its temporary name: of the first one, then of the second, and so on."""
    checks, work = Checks(), case.fresh(stage, f"writing {file}")
    partial_file = work / Path(STATES[stage]).parent / f".{file}.partial"
    if file != "state.pt":
        partial_file = partial_file.parents[1] / partial_file.name
    halves = []
    for kill in range(kills):
        seen = iter(range(kill, -1, -1))
        if killed_at(case, stage, work, Moment("half", file), lambda: next(seen) == 0):  # noqa: B023
            halves.append(partial_file.stat().st_size)
    half = len(halves) == kills and min(halves, default=0) > 0
    checks.check(half, f"{kills} kills left a half-written file", f"{len(halves)} of {kills} kills met the writing")
    checks.note(f"at {place(stage, work)}")
    ended = case.check_resumes(checks, stage, work)
    checks.check("is damaged" not in ended.said, "no state damaged", "a state was damaged")
    done = f"{stage} killed {kills} times with half of {file} written"
    return checks.outcome("3. kill during a checkpoint's write", done, "the state before is valid; same bytes")


def killed_in_validation(case: Case) -> Outcome:
    """SIGKILL after the last step of an epoch, before its scores and weights are there."""
    checks, work = Checks(), case.fresh("12", "validation")
    killed_at(case, "12", work, STATE, lambda: in_validation(case, work, "12"))
    at_end = epoch_and_step(work, "12")[1] == case.sizes.steps
    checks.check(at_end, f"killed at {place('12', work)} of {case.sizes.steps}", f"killed at {place('12', work)}")
    case.check_resumes(checks, "12", work)
    expected = "scores beside the weights (.json) and weights the same bytes"
    return checks.outcome("6. kill in validation", "12 killed between an epoch's last step and its weights", expected)


def damaged(case: Case, what: str, states: tuple[str, ...], damage: Callable[[bytes], bytes]) -> Outcome:
    """Damage states of a killed run, and go on."""
    checks, work = Checks(), killed_midway(case, "12", f"damaged {what}")
    checks.note(f"of {place('12', work)}")
    for name in states:
        path = (work / STATES["12"]).with_name(name)
        path.write_bytes(damage(path.read_bytes()))
    ended = case.check_resumes(checks, "12", work)
    said = ended.said.count("is damaged (its digest does not match)")
    checks.check(said == len(states), f"{said} named as damaged", f"{said} of {len(states)} named as damaged")
    expected = "named as damaged, the one before it is used (none: from the start); same bytes"
    return checks.outcome("5. damaged state", f"12 killed, {what}", expected)


def cut(content: bytes) -> bytes:
    """The first two thirds."""
    return content[: len(content) * 2 // 3]


def flip(content: bytes) -> bytes:
    """The same with one bit flipped in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def in_validation(case: Case, work: Path, stage: str) -> bool:
    """True when an epoch's last step is done; its weights are not there yet."""
    epoch, step = epoch_and_step(work, stage)
    weights = (work / STATES[stage]).parents[1] / f"epoch{epoch}.json"
    return step == case.sizes.steps and not weights.exists()
