"""Two runs in one folder, a lock whose holder was killed, and a data set that is replaced while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from faults.case import Case, told
from faults.changes import FOLDS, WRONG_USE
from faults.table import Checks, Fault, Outcome

IN_USE = "another run is reading or writing here"


def lock_faults(case: Case) -> Iterator[Fault]:
    """Two runs in one folder, and a lock whose holder was killed."""
    for stage in ("01", "12", "13", "14"):
        yield partial(two_runs, case, stage)
    yield partial(replaced_while_read, case)


def two_runs(case: Case, stage: str) -> Outcome:
    """Start a second run while the first one works; then kill the first, and start again."""
    checks, work = Checks(), case.fresh(stage, "two_runs")
    with case.start(stage, work) as first:
        case.at_work(stage, work, first)
        first.pause()  # in the midst of its work, for as long as the second needs to start
        second = case.run(stage, work)
        refused = second.status == WRONG_USE and IN_USE in second.error
        checks.check(refused, f"second refused with {WRONG_USE}", f"second: {told(second)}")
        first.kill()
    checks.note("first killed while it held the lock")
    case.check_resumes(checks, stage, work)
    expected = "second refused; the lock recovers; same bytes"
    return checks.outcome("12. two runs, one folder", f"{stage} twice, then the holder killed", expected)


def replaced_while_read(case: Case) -> Outcome:
    """Prepare other folds by force while 12 trains on the data set."""
    checks, work = Checks(), case.fresh("12", "replaced")
    with case.start("12", work) as reader:
        case.at_work("12", work, reader)
        reader.pause()
        second = case.run("01", work, *FOLDS, "--force")
        refused = second.status == WRONG_USE and IN_USE in second.error
        checks.check(refused, f"01 refused with {WRONG_USE}", f"01: {told(second)}")
        reader.go_on()
        ended = reader.wait()
    if checks.check(ended.status == 0, "12 goes on: exit 0", told(ended)):
        case.check_same(checks, "12", work)
    done = f"01 {' '.join(FOLDS)} --force while 12 trains"
    return checks.outcome("12. replaced while it is read", done, "refused; 12 ends with the same bytes")
