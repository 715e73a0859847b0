"""SIGKILL between the record that makes an output done and the removal of what only its making needed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faults.case import Case, told
from faults.chains import CHECKPOINTS, EMBEDDINGS, RUN, SEQUENCE
from faults.moments import Moment, held
from faults.outputs import contents, differing
from faults.table import Checks, Fault, Outcome
from hounsfield.core.stages.outputs import RECORD, UNFINISHED, read_record

# stage, what it makes, where that is, what of its making is still there when the record is written
ENDS = (
    ("12", "the weights", CHECKPOINTS, ("state.pt", "state.previous.pt")),
    ("13", "the embeddings", EMBEDDINGS, ()),
    ("14", "the network", SEQUENCE, ("state.pt", "state.previous.pt")),
    ("14", "the predictions", RUN, ()),
)


def end_faults(case: Case) -> Iterator[Fault]:
    """Kill what makes each kind of output once its record says that it is done."""
    for stage, what, folder, left in ENDS:
        yield partial(killed_untidied, case, stage, what, folder, left)


def killed_untidied(case: Case, stage: str, what: str, folder: str, left: tuple[str, ...]) -> Outcome:
    """SIGKILL once the record has its name, and before anything is tidied; then the same command."""
    checks, work = Checks(), case.fresh(stage, f"untidied {what}")
    place, end = work / folder, Moment("after", f"{folder}/{RECORD}")
    with held(case, stage, work, end, lambda: read_record(place) is not None) as (running, hit):
        running.kill()
    found = sorted(path.name for path in (place / UNFINISHED).glob("*"))
    whole = set(left) <= set(found)
    checks.check(hit and whole, f"killed with {', '.join(found) or 'nothing'} left", f"hit {hit}, only {found} left")
    done = {name: digest for name, digest in in_folder(work, folder).items() if UNFINISHED not in name}
    again = case.run(stage, work)
    if checks.check(again.status == 0, "started again: exit 0", told(again)):
        checks.check("going on from" not in again.said, "nothing made twice", "it was made again")
        case.check_same(checks, stage, work)
    changed = differing(in_folder(work, folder), done)
    checks.check(not changed, "nothing else touched", f"touched: {changed[:3]}")
    expected = "the next run tidies, and makes nothing again; same bytes"
    return checks.outcome("3. kill between record and tidying", f"{stage}, {what}", expected)


def in_folder(work: Path, folder: str) -> dict[str, str]:
    """The digests of the files below one folder."""
    return {name: digest for name, digest in contents(work).items() if name.startswith(f"{folder}/")}
