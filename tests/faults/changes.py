"""Changed settings and inputs, predictions killed midway, and two runs in one folder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from faults.case import DATA_SET, FOLD, PREDICTIONS, Case, told
from faults.kills import kill_at, random_moments
from faults.outputs import contents, differing
from faults.table import Checks, Outcome
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import slices_path
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA, read_slices
from hounsfield.core.storage.tables import read_table, write_table

WRONG_USE = 2


def change_outcomes(case: Case) -> Iterator[Outcome]:
    """Go on with something changed."""
    for stage, option in (("12", "--classifier.learning_rate"), ("14", "--sequence.learning_rate")):
        yield changed(case, stage, (option, "0.01"), "learning_rate: 0.001 -> 0.01")
    yield changed_folds(case)
    for stage in ("12", "13", "14"):
        yield changed_index(case, stage)


def prediction_outcomes(case: Case) -> Iterator[Outcome]:
    """Kill what writes predictions."""
    yield killed_prediction(case)
    yield killed_submission(case)


def lock_outcomes(case: Case) -> Iterator[Outcome]:
    """Two runs in one folder, and a lock whose holder was killed."""
    for stage in ("01", "12", "13", "14"):
        yield two_runs(case, stage)


def check_refused(checks: Checks, case: Case, stage: str, work: Path, difference: str, *extra: str) -> None:
    """The run must end with 2, show the difference and the way out, and touch nothing."""
    before = contents(work)
    ended = case.run(stage, work, *extra)
    right = ended.status == WRONG_USE and difference in ended.said and "--force" in ended.said
    checks.check(right, f"refused with 2: {difference!r}", told(ended))
    untouched = differing(contents(work), before)
    checks.check(not untouched, "nothing touched", f"touched: {untouched[:3]}")


def changed(case: Case, stage: str, options: tuple[str, ...], difference: str) -> Outcome:
    """Go on with another setting; with --force begin anew, and come back the same way."""
    checks, work = Checks(), case.fresh(stage, "changed")
    kill_at(case, stage, work, case.seconds(stage) / 2)
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
    checks, work = Checks(), case.fresh("12", "folds")
    kill_at(case, "12", work, case.seconds("12") / 2)
    again = case.run("01", work, "--prepare.fold_count", "3")
    checks.check(again.status == 0, "01 with 3 folds: exit 0", told(again))
    check_refused(checks, case, "12", work, "inputs.slices.parquet: ")
    done = "12 killed, 01 --prepare.fold_count 3, 12 again"
    return checks.outcome("10. changed folds", done, "refused with the difference")


def changed_index(case: Case, stage: str) -> Outcome:
    """Take one slice out of the table."""
    checks, work = Checks(), case.fresh(stage, "index")
    difference = {"12": "inputs.slices.parquet: ", "13": "inputs.slices_sha256: "}.get(stage, "")
    kill_at(case, stage, work, case.seconds(stage) / 2)
    path = slices_path(work, DATA_SET)
    write_table(path, read_table(path, SLICE_SCHEMA).iloc[:-1].astype(object), SLICE_SCHEMA)
    if difference:
        check_refused(checks, case, stage, work, difference)
    else:
        ended = case.run(stage, work)
        checks.check(ended.status in (1, WRONG_USE) and "slices" in ended.error, f"refused: {ended.error}", told(ended))
    return checks.outcome("10. changed data index", f"{stage} killed, one slice taken away", "refused, saying why")


def killed_prediction(case: Case) -> Outcome:
    """Kill 14 while it writes its table of predictions, and look at the table after it went on."""
    checks, work = Checks(), case.fresh("14", "prediction")
    table = work / PREDICTIONS / f"fold{FOLD}_epoch0.parquet"
    partial = table.with_name(f".{table.name}.partial")
    with case.start("14", work) as running:
        hit = running.until(lambda: partial.exists() or table.exists())
        running.kill()
    manifest = table.with_suffix(".json").exists()
    checks.check(hit, f"killed with table {table.exists()}, manifest {manifest}", "the run ended before")
    case.check_resumes(checks, "14", work)
    rows = pd.read_parquet(table)
    slices = read_slices(work, DATA_SET, ("image_id", "split", "fold"))
    wanted = slices["image_id"][(slices["split"] == "test") | (slices["fold"] == int(FOLD))]
    once = sorted(rows["image_id"]) == sorted(wanted)
    checks.check(once, f"{len(rows)} rows, each slice once", "rows are missing or twice")
    return checks.outcome("11. prediction killed", "14 killed as its table appeared", "each row once; same bytes")


def killed_submission(case: Case) -> Outcome:
    """Kill 15 at several moments: its submission is there whole or not at all."""
    checks, work = Checks(), case.fresh("15", "submission")
    submission = work / PREDICTIONS / "submission.csv.gz"
    expected = case.expected("15")
    halves = 0
    for _ in range(3):
        with case.start("15", work) as running:
            partial = submission.with_name(f".{submission.name}.partial")
            running.until(lambda: partial.exists() or submission.exists())  # noqa: B023
            running.kill()
        if submission.exists():
            halves += contents(work)[f"{PREDICTIONS}/submission.csv.gz"] != expected[f"{PREDICTIONS}/submission.csv.gz"]
            submission.unlink()
    checks.check(not halves, "3 kills, never a half submission", f"{halves} half submissions under the final name")
    for moment in random_moments(case, "15", 2, seed=0):
        kill_at(case, "15", work, moment)
    case.check_resumes(checks, "15", work)
    rows = pd.read_csv(io.BytesIO(submission.read_bytes()), compression="gzip")
    tests = (read_slices(work, DATA_SET, ("split",))["split"] == "test").sum()
    # the phantom's one cut file is asked for by the sample submission, too
    once = rows["ID"].is_unique and len(rows) >= tests * len(CLASSES)
    checks.check(once, f"{len(rows)} rows, each once", f"{len(rows)} rows for {tests} slices")
    return checks.outcome("11. submission killed", "15 killed five times", "final name only by rename; same bytes")


def two_runs(case: Case, stage: str) -> Outcome:
    """Start a second run while the first one works; then kill the first, and start again."""
    checks, work = Checks(), case.fresh(stage, "two_runs")
    with case.start(stage, work) as first:
        case.at_work(stage, work, first)
        first.pause()  # in the midst of its work, for as long as the second needs to start
        second = case.run(stage, work)
        refused = second.status == WRONG_USE and "another run is writing here" in second.error
        checks.check(refused, f"second refused with {WRONG_USE}", f"second: {told(second)}")
        first.kill()
    checks.note("first killed while it held the lock")
    case.check_resumes(checks, stage, work)
    expected = "second refused; the lock recovers; same bytes"
    return checks.outcome("12. two runs, one folder", f"{stage} twice, then the holder killed", expected)
