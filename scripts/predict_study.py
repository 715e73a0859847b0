"""Predict one study, or a folder of many, with the trained models of a run of any system: findings and a page.

In: folders, zip archives, DICOMDIRs or single DICOM files, and the models below checkpoints/<system>/<experiment>/.
Out: in preds/<system>/<experiment>/studies/<data set>/ studies.csv, refused.csv, and <study>/ with findings.json,
findings.csv and a page per series.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hounsfield.core.errors import MissingInput, StaleOutput, WrongUse
from hounsfield.core.logs import Stopwatch, logger
from hounsfield.core.stages.command import (
    REPOSITORY,
    Command,
    Stage,
    command_line,
    found_config,
    parse,
    run,
    shown,
    stage_parser,
)
from hounsfield.core.stages.mistakes import OneLineParser
from hounsfield.core.stages.out_folder import out_folder, refuse_made_by_others
from hounsfield.core.stages.paths_given import add_study_options, paths_apart
from hounsfield.core.stages.variables import work_folder
from hounsfield.systems import SYSTEMS, ChosenRun, named_run, naming_kept_config, newest_runs, run_of_config

NAME = "run_71_predict_study"
DESCRIPTION = "Predict a study, or many: PATH [PATH ...], folders, zip archives, DICOMDIRs or single DICOM files"


class Asked(NamedTuple):
    """A run, its command line, and the paths on that."""

    run: ChosenRun
    command: Command[Any]
    paths: list[str]


def main() -> None:
    """Predict the studies that the command line names with the runs that it names, or with the newest."""
    parser = OneLineParser(add_help=False, allow_abbrev=False)
    for option in ("--config", "--work", "--out"):
        parser.add_argument(option)
    parser.add_argument("--run", action="append", default=[])
    own, words = parser.parse_known_args()
    work = work_folder(own.work or os.environ.get("WORK") or REPOSITORY, reads=True)
    config = own.config or os.environ.get("CONFIG")
    given = Path(found_config(config)) if config else None
    named = [named_run(work, one, given) for one in own.run]
    runs = list(dict.fromkeys(named))
    if len(runs) < len(named):
        logger.info("of runs that are named twice one counts: %s", ", ".join(one.name for one in runs))
    if given and not runs:
        runs = [run_of_config(given)]
    if not runs and {"-h", "--help", "--help-all"} & set(words):
        runs = [ChosenRun(SYSTEMS["hemorrhage"], SYSTEMS["hemorrhage"].config_class()[1])]
    if len({one.system.prepare for one in runs}) > 1:
        raise WrongUse(f"{' and '.join(one.name for one in runs)} answer different questions; name runs of one kind")
    asked = [ask(one, work, words) for one in runs] or [ask_newest(work, words)]
    out = out_folder(own.out, work, asked[0].paths) if own.out else None
    if out:
        refuse_made_by_others(out)
    predict(asked, out)


def ask(one: ChosenRun, work: Path, words: Sequence[str]) -> Asked:
    """Read the command line for a run. Raises MissingInput or StaleOutput where one of its models is not there."""
    config_class, default = one.system.config_class()
    stage = Stage(config_class, DESCRIPTION, default, role="applies", parts=("folds", "threads"), single=True)
    parser = stage_parser(stage)
    add_study_options(parser)
    parser.add_argument(
        "--run", help="checkpoints/SYSTEM/EXPERIMENT (default: the newest finished); may be given twice"
    )
    parser.add_argument("--out", help="folder of findings and pages (default: preds/SYSTEM/EXPERIMENT/studies/NAME)")
    parser.add_argument("--no-pages", action="store_true", help="write tables and findings alone")
    paths, options = paths_apart(parser, words)
    command = parse(parser, stage, ["--config", str(one.config), "--work", str(work), *options])
    if not paths:
        raise WrongUse(f"Which studies? Name folders, zip archives or DICOM files: sh bin/{NAME}.sh PATH [PATH ...]")
    with naming_kept_config(one, command, f"{NAME}.sh", sys.argv[1:]):
        one.system.adaptor().models_of(command)
    return Asked(one, command, paths)


def ask_newest(work: Path, words: Sequence[str]) -> Asked:
    """The newest run of which every model is there. Raises MissingInput with the command that makes them."""
    reason: MissingInput | StaleOutput | None = None
    for one in newest_runs(work):
        try:
            asked = ask(one, work, words)
        except (MissingInput, StaleOutput) as error:
            reason = reason or error
            continue
        logger.info("run: %s, the newest finished one below %s", one.name, shown(work / "checkpoints"))
        return asked
    train = command_line("run_00_quickstart.sh", {} if work.resolve() == REPOSITORY else {"WORK": shown(work)})
    raise reason or MissingInput(f"{shown(work / 'checkpoints')} holds no trained models; train some with: {train}")


def predict(asked: Sequence[Asked], out: Path | None) -> None:
    """Predict with each run, then write findings and pages, and say where they are."""
    from hounsfield.core.evaluation.study_outputs import Answered, Pages, answer_studies
    from hounsfield.viewer.study_page import page_name, study_page

    answered = []
    for one, command, paths in asked:
        watch = Stopwatch()
        with naming_kept_config(one, command, f"{NAME}.sh", sys.argv[1:]):
            view = one.system.adaptor().predict_paths(command, paths, one.system.read_prepare())
        answered.append(Answered(one.name, view, watch.seconds))
    given = [Path(path) for path in asked[0].paths] if asked[0].command.arguments.show_identifiers else []
    pages = None if asked[0].command.arguments.no_pages else Pages(study_page, page_name)
    answer_studies(answered, out, NAME, pages, force=asked[0].command.force, given=given)


if __name__ == "__main__":
    run(main)
