"""Changed settings and inputs, and predictions killed midway."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from faults.case import Case, told
from faults.chains import DATA_SET, FOLD, PREDICTIONS, RUN
from faults.kills import kill_at, random_moments
from faults.moments import Moment, killed_at, killed_midway
from faults.outputs import contents, differing
from faults.stops import flip
from faults.table import Checks, Fault, Outcome
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import SLICES, data_folder
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA
from hounsfield.core.storage.tables import read_table, write_table
from hounsfield.hemorrhage.paths import PREDICTIONS as TABLE

WRONG_USE = 2
FOLDS = ("--prepare.fold_count", "3")


def change_faults(case: Case) -> Iterator[Fault]:
    """Go on with something changed."""
    for stage, option in (("12", "--classifier.learning_rate"), ("14", "--sequence.learning_rate")):
        yield partial(changed, case, stage, (option, "0.01"), "learning_rate: 0.001 -> 0.01")
    yield partial(changed_folds, case)
    for stage in ("12", "13", "14"):
        yield partial(changed_index, case, stage)
    yield partial(damaged_index, case)


def prediction_faults(case: Case) -> Iterator[Fault]:
    """Kill what writes predictions."""
    yield partial(killed_prediction, case)
    yield partial(killed_submission, case)


def check_refused(checks: Checks, case: Case, stage: str, work: Path, difference: str, *extra: str) -> None:
    """The run must end with 2, show the difference and the way out, and touch nothing."""
    before = contents(work)
    ended = case.run(stage, work, *extra)
    right = ended.status == WRONG_USE and difference in ended.said and "--force" in ended.said
    checks.check(right, f"{stage} refused with 2: {difference!r}", told(ended))
    untouched = differing(contents(work), before)
    checks.check(not untouched, "nothing touched", f"touched: {untouched[:3]}")


def changed(case: Case, stage: str, options: tuple[str, ...], difference: str) -> Outcome:
    """Go on with another setting; with --force begin anew, and come back the same way."""
    checks, work = Checks(), killed_midway(case, stage, "changed")
    check_refused(checks, case, stage, work, difference, *options)
    anew = case.run(stage, work, *options, "--force")
    checks.check(anew.status == 0 and "going on" not in anew.said, "--force begins anew", f"--force: {told(anew)}")
    back = case.run(stage, work, "--force")
    if checks.check(back.status == 0, "--force with the first settings: exit 0", told(back)):
        case.check_same(checks, stage, work)
    return checks.outcome(
        "10. changed config", f"{stage} killed, {' '.join(options)}", "refused with the difference; --force anew"
    )


def changed_folds(case: Case) -> Outcome:
    """Prepare again with other folds, which changes the table of slices, and train on."""
    checks, work = Checks(), killed_midway(case, "12", "folds")
    check_refused(checks, case, "01", work, "fold_count: 2 -> 3", *FOLDS)
    again = case.run("01", work, *FOLDS, "--force")
    checks.check(again.status == 0, "01 --force with 3 folds: exit 0", told(again))
    check_refused(checks, case, "12", work, "with 3 folds")
    check_refused(checks, case, "12", work, "data set.fold_count: 2 -> 3", *FOLDS)
    done = f"12 killed, 01 {' '.join(FOLDS)}, 12 again"
    return checks.outcome("10. changed folds", done, "each refused with the difference")


def changed_index(case: Case, stage: str) -> Outcome:
    """Take one slice out of the table; then prepare again, as the message says."""
    checks, work = Checks(), killed_midway(case, stage, "index")
    path = data_folder(work, DATA_SET) / SLICES
    write_table(path, read_table(path, SLICE_SCHEMA).iloc[:-1].astype(object), SLICE_SCHEMA)
    ended = case.run(stage, work)
    clear = ended.status == WRONG_USE and SLICES in ended.error and "run_01_prepare_data.sh" in ended.error
    checks.check(clear, f"refused with 2, naming {SLICES} and stage 01", told(ended))
    if stage == "12":
        again = case.run("01", work)
        checks.check(again.status == 0, "01 makes it again: exit 0", told(again))
        case.check_resumes(checks, stage, work)
    return checks.outcome("10. changed data index", f"{stage} killed, one slice taken away", "refused, saying why")


def damaged_index(case: Case) -> Outcome:
    """Flip one bit of the table, which keeps its size."""
    checks, work = Checks(), killed_midway(case, "14", "bit")
    path = data_folder(work, DATA_SET) / SLICES
    path.write_bytes(flip(path.read_bytes()))
    ended = case.run("14", work)
    clear = ended.status == 1 and f"{SLICES} is not the file that was written" in ended.error
    checks.check(clear and "--force" in ended.error, f"refused: {SLICES} is not the file that was written", told(ended))
    return checks.outcome("10. changed data index", "14 killed, one bit of the table flipped", "refused, saying why")


def killed_prediction(case: Case) -> Outcome:
    """Kill 14 while it writes its table of predictions, and look at the table after it went on."""
    checks, work = Checks(), case.fresh("14", "prediction")
    table = work / RUN / TABLE
    for when in ("before", "after"):
        hit = killed_at(case, "14", work, Moment(when, f"{RUN}/{TABLE}"))
        there = table.exists() == (when == "after")
        checks.check(hit and there, f"killed {when} the table got its name", f"{when}: hit {hit}, {table.exists()}")
    case.check_resumes(checks, "14", work)
    rows = pd.read_parquet(table)
    slices = read_table(data_folder(work, DATA_SET) / SLICES, SLICE_SCHEMA)
    wanted = slices["image_id"][(slices["split"] == "test") | (slices["fold"] == int(FOLD))]
    once = sorted(rows["image_id"]) == sorted(wanted)
    checks.check(once, f"{len(rows)} rows, each slice once", "rows are missing or twice")
    return checks.outcome("11. prediction killed", "14 killed as its table appeared", "each row once; same bytes")


def killed_submission(case: Case) -> Outcome:
    """Kill 15 at several moments: its submission is there whole or not at all."""
    checks, work = Checks(), case.fresh("15", "submission")
    submission = work / PREDICTIONS / "submission.csv.gz"
    expected = case.expected("15")
    for when in ("half", "before", "after"):
        hit = killed_at(case, "15", work, Moment(when, submission.name))
        whole = contents(work).get(f"{PREDICTIONS}/{submission.name}")
        right = whole == (expected[f"{PREDICTIONS}/{submission.name}"] if when == "after" else None)
        checks.check(hit and right, f"killed {when}: {'whole' if whole else 'none'}", f"{when}: hit {hit}, {whole}")
        submission.unlink(missing_ok=True)
    for moment in random_moments(case, "15", 2, seed=0):
        kill_at(case, "15", work, moment)
    case.check_resumes(checks, "15", work)
    rows = pd.read_csv(io.BytesIO(submission.read_bytes()), compression="gzip")
    tests = (read_table(data_folder(work, DATA_SET) / SLICES, SLICE_SCHEMA)["split"] == "test").sum()
    # the phantom's one cut file is asked for by the sample submission, too
    once = rows["ID"].is_unique and len(rows) >= tests * len(CLASSES)
    checks.check(once, f"{len(rows)} rows, each once", f"{len(rows)} rows for {tests} slices")
    return checks.outcome("11. submission killed", "15 killed five times", "final name only by rename; same bytes")
