"""Requests to stop, kills at the worst moments, and training states that were damaged since."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.case import CHECKPOINTS, SEQUENCE, Case, told
from faults.kills import place
from faults.table import Checks, Outcome
from hounsfield.core.storage.checkpoints import load_state

SECONDS_TO_STOP = 30
STOPPED = 143
ATTEMPTS = 5
FOLDERS = {"12": CHECKPOINTS, "14": SEQUENCE}


def stop_outcomes(case: Case) -> Iterator[Outcome]:
    """Stop and kill training where it is most delicate."""
    yield asked_to_stop(case, "12", "in training", in_training)
    yield asked_to_stop(case, "12", "in validation", in_validation)
    yield asked_to_stop(case, "14", "in training", in_training)
    yield killed_in_writing(case, "12", ".state.pt.partial", kills=4)
    yield killed_in_writing(case, "12", ".epoch0.safetensors.partial", kills=1)
    yield killed_in_writing(case, "14", ".state.pt.partial", kills=2)
    yield killed_in_validation(case)


def damage_outcomes(case: Case) -> Iterator[Outcome]:
    """Damage the state that a killed run left."""
    work = case.fresh("12", "to_damage")
    with case.start("12", work) as running:
        running.until(lambda: epoch_and_step(work, "12") > (0, 3))
        running.kill()
    for what, states, damage in (
        ("newest state cut at two thirds", ("state.pt",), cut),
        ("one bit of the newest state flipped", ("state.pt",), flip),
        ("both states cut", ("state.pt", "state.previous.pt"), cut),
    ):
        yield damaged(case, work, what, states, damage)


def asked_to_stop(case: Case, stage: str, where: str, moment: Callable[[Case, Path, str], bool]) -> Outcome:
    """SIGTERM at some moment: the state is saved, exit 143, and the same command goes on."""
    checks, work = Checks(), case.fresh(stage, "stopped")
    with case.start(stage, work) as running:
        hit = running.until(lambda: moment(case, work, stage))
        before = epoch_and_step(work, stage)
        begin = time.perf_counter()
        running.ask_to_stop()
        ended = running.wait()
    seconds = time.perf_counter() - begin
    checks.check(hit, f"asked at {place(stage, work)}", "the run ended before it could be asked")
    right = ended.status == STOPPED and seconds <= SECONDS_TO_STOP
    checks.check(right, f"exit {STOPPED} after {seconds:.1f} s", f"after {seconds:.1f} s: {told(ended)}")
    state = load_state(work / FOLDERS[stage] / "state.pt")
    kept = state is not None and (state["epoch"], state["step"]) >= before
    checks.check(kept, "state whole", f"state {place(stage, work)}, older than {before}")
    if where == "in validation":
        checks.check(epoch_and_step(work, stage) == before, "validation left", "stopped only later, in training")
    case.check_resumes(checks, stage, work)
    expected = f"exit {STOPPED} within {SECONDS_TO_STOP} s, the state saved; resumed to the same bytes"
    return checks.outcome("2. SIGTERM", f"{stage} {where}", expected)


def killed_in_writing(case: Case, stage: str, partial: str, kills: int) -> Outcome:
    """SIGKILL while a file is being written under its temporary name."""
    checks, work = Checks(), case.fresh(stage, "writing")
    path = work / FOLDERS[stage] / partial
    caught = 0
    for _ in range(ATTEMPTS * kills):  # a file is written within milliseconds, which a busy computer lets pass unseen
        path.unlink(missing_ok=True)
        with case.start(stage, work) as running:
            if running.until(path.exists):
                running.kill()
                caught += path.exists()
            elif not running.alive():  # it came to its end
                work = case.fresh(stage, "writing")
        if caught == kills:
            break
    checks.check(
        caught > 0, f"{caught} of {kills} kills left the half-written file", "no kill caught the file in writing"
    )
    checks.note(f"at {place(stage, work)}")
    ended = case.check_resumes(checks, stage, work)
    checks.check("is damaged" not in ended.said, "no state damaged", "a state was damaged")
    done = f"{stage} killed {kills} times when {partial} was seen"
    return checks.outcome("3. kill during a checkpoint's write", done, "the state before is valid; same bytes")


def killed_in_validation(case: Case) -> Outcome:
    """SIGKILL after the last step of an epoch, before its scores and weights are there."""
    checks, work = Checks(), case.fresh("12", "validation")
    with case.start("12", work) as running:
        running.until(lambda: in_validation(case, work, "12"))
        running.kill()
    at_end = epoch_and_step(work, "12")[1] == case.sizes.steps
    checks.check(at_end, f"killed at {place('12', work)} of {case.sizes.steps}", f"killed at {place('12', work)}")
    case.check_resumes(checks, "12", work)
    expected = "scores beside the weights (.json) and weights the same bytes"
    return checks.outcome("6. kill in validation", "12 killed between an epoch's last step and its weights", expected)


def damaged(case: Case, killed: Path, what: str, states: tuple[str, ...], damage: Callable[[bytes], bytes]) -> Outcome:
    """Damage states of a killed run, and go on."""
    checks, work = Checks(), killed.with_name("12_damaged")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(killed, work)
    checks.note(f"of {place('12', work)}")
    for name in states:
        path = work / CHECKPOINTS / name
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


def in_training(case: Case, work: Path, stage: str) -> bool:
    """True when the second epoch is under way."""
    return epoch_and_step(work, stage) > (1, 0)


def in_validation(case: Case, work: Path, stage: str) -> bool:
    """True when an epoch's last step is done; its weights are not there yet."""
    epoch, step = epoch_and_step(work, stage)
    return step == case.sizes.steps and not (work / FOLDERS[stage] / f"epoch{epoch}.json").exists()


def epoch_and_step(work: Path, stage: str) -> tuple[int, int]:
    """Where the saved state stands; (0, 0) before the first."""
    try:
        state = load_state(work / FOLDERS[stage] / "state.pt")
    except FileNotFoundError:  # renamed meanwhile
        return 0, 0
    return (0, 0) if state is None else (state["epoch"], state["step"])
