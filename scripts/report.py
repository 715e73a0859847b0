"""Write the report of a finished run: a page that opens from disk, its figures, every number as JSON, a model card.

In: preds/<system>/<experiment>/ (run_15, run_45, run_56 or run_65) and all that it was made from.
Out: in that folder report.html, report.json, report/ (figures as PNG and SVG, pictures).
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hounsfield.core.errors import WrongUse
from hounsfield.core.foreign_text import one_line
from hounsfield.core.logs import Stopwatch, logger, show, summary
from hounsfield.core.stages.command import REPOSITORY, found_config, run, shown
from hounsfield.core.stages.mistakes import OneLineParser
from hounsfield.core.stages.variables import work_folder

if TYPE_CHECKING:  # a program reads its command line before it waits for pandas
    from hounsfield.core.evaluation.run_report import RunReport
    from hounsfield.core.stages.upstream import RemedyOf
    from hounsfield.systems import System

NAME = "run_81_report"
LAST_STAGES = {  # of each system: what makes a run that can be reported
    "hemorrhage": "run_15_bagged_submission",
    "stacking": "run_45_stacking_ensemble",
    "spine": "run_56_spine_predict",
    "pneumothorax": "run_65_pneumothorax_submit",
}


def main() -> None:
    """Read the run, and write its report, unless it is there and nothing has changed."""
    options, watch = parse_arguments(), Stopwatch()
    from hounsfield.core.stages.finished import finished_run
    from hounsfield.core.stages.outputs import output, to_replace
    from hounsfield.core.storage.files import locked
    from hounsfield.report.build import FIGURES, PAGE, provenance_of, report_files, write_report
    from hounsfield.systems import SYSTEMS, those_there

    work = work_folder(options.work, reads=True)
    folder = run_folder(work, options.run or run_of(work, options.config))
    top, system, *_ = (*folder.relative_to(work).parts, "", "") if folder.is_relative_to(work) else ("", "")
    if top != "preds" or system not in LAST_STAGES:
        raise WrongUse(f"{one_line(folder)} is no run of {', '.join(LAST_STAGES)}; {those_there(work)}")
    if options.shifts and SYSTEMS[system].without_shifts:
        raise WrongUse(f"--shifts: {SYSTEMS[system].without_shifts}; leave out --shifts")
    found, remedy_of = finished_run(work, folder, LAST_STAGES[system])

    def facts(*, compute: bool) -> RunReport:
        own = SYSTEMS[system].module("report_facts").report_facts(found, remedy_of)
        return with_shifts(SYSTEMS[system], own, remedy_of, compute=compute)

    with locked(found.folder):
        measured = facts(compute=True) if options.shifts else None
        place, made_from = found.folder / FIGURES, provenance_of(NAME, found)
        again = options.force or to_replace(place, made_from)
        with output(place, made_from, force=again, remedy=remedy_of(NAME)) as out:
            if out.finished:
                logger.info("report: nothing has changed since it was written; --force writes it again")
            else:
                report = measured or facts(compute=False)
                write_report(report)
                out.finish(report_files(found.folder))
                summary("report", len(report.levels[0].ids), report.levels[0].rows, watch.seconds)
    show(f"report: {shown(found.folder / PAGE)}")


def run_of(work: Path, config: Path) -> Path:
    """The run of a configuration: of the system whose folder it lies in, else of that which has a run of its name."""
    if config.is_dir():
        found_config(str(config))  # which says what is wrong with it
    own = config.resolve().parent.name
    names = (
        [own] if own in LAST_STAGES else [one for one in LAST_STAGES if (work / "preds" / one / config.stem).is_dir()]
    )
    if len(names) != 1:
        raise WrongUse(f"{shown(config)}: {len(names)} systems have a run {config.stem}; name the run with --run")
    return Path("preds", names[0], config.stem)


def run_folder(work: Path, given: Path) -> Path:
    """The folder of a run's predictions, by it or by that of its checkpoints, from here or from the work folder."""
    folder = (given if given.exists() else work / given).resolve()
    if folder.is_relative_to(work / "checkpoints"):
        return work / "preds" / folder.relative_to(work / "checkpoints")
    return folder


def with_shifts(system: System, facts: RunReport, remedy_of: RemedyOf, *, compute: bool) -> RunReport:
    """The same, with what the run answers under changes of its images; without, why there is nothing.

    compute: measures what is missing. Raises WrongUse where that cannot be.
    """
    reason = system.without_shifts
    if not reason and facts.levels[0].row != "slice":
        reason = "what is labelled is not the slice, which is what is changed"
    if reason and compute:
        raise WrongUse(f"--shifts: {reason}; leave out --shifts")
    if reason:
        return replace(facts, without_shifts=f"Not measured: {reason}.")
    found = system.module("shifts").shifted_answers(facts.run, remedy_of, compute=compute)
    command = remedy_of(NAME, "--shifts")
    reason = f"Not measured. It takes about as long as the models took to read the data; to measure: {command}"
    return replace(facts, shifts=found, without_shifts=reason)


def parse_arguments() -> argparse.Namespace:
    """The command line; a configuration stands for its run."""
    parser = OneLineParser(description="Write the report of a finished run")
    parser.add_argument("other", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help="folder of the run, below preds/ or checkpoints/")
    config = os.environ.get("CONFIG") or "configs/hemorrhage/crop.yaml"
    parser.add_argument("--config", type=Path, default=Path(config), help="or the configuration of the run (CONFIG)")
    work = os.environ.get("WORK") or REPOSITORY
    parser.add_argument("--work", default=work, help="folder that holds data, checkpoints and preds (WORK)")
    parser.add_argument("--shifts", action="store_true", help="measure robustness, too: every series answered changed")
    parser.add_argument("--force", action="store_true", help="write the report again; what --shifts measured stays")
    options = parser.parse_args()
    if options.other:
        raise WrongUse(f"which run? Name it with --run: --run {one_line(' '.join(options.other))}")
    return options


if __name__ == "__main__":
    run(main)
