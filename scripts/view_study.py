"""Show a study that a run has answered: its findings and a page per series, which opens from disk.

In: the folder of a study that was predicted (run_71), or a study of the run's own data set, with its labels.
Out: findings.json, findings.csv and a page per series, in the study's folder, or in
preds/<system>/<experiment>/studies/<data set>/<study>/.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.foreign_text import one_line
from hounsfield.core.logs import show
from hounsfield.core.stages.command import REPOSITORY, Stage, found_config, parse, run, shown, stage_parser
from hounsfield.core.stages.mistakes import OneLineParser
from hounsfield.core.stages.out_folder import out_folder, refuse_made_by_others, refuse_other_files
from hounsfield.core.stages.variables import work_folder
from hounsfield.systems import ChosenRun, named_run, naming_kept_config

if TYPE_CHECKING:
    from hounsfield.core.evaluation.study_view import StudyView

NAME = "run_72_view_study"
PREDICT = "run_71_predict_study"
WRITTEN = ("findings.*", "series_*.html", "output.json", ".lock", ".*.partial")  # in the folder of a study
MOST_NAMED = 5  # studies in a message


class Asked(NamedTuple):
    """A study, and the runs that answer it."""

    study: str
    runs: list[ChosenRun]
    data_set: str  # that the runs are applied to; "" for their own
    folder: Path | None  # of the study's findings; None where they go to the run's own
    stage: str  # that writes there


def main() -> None:
    """Write what is not there yet of one study, and say where its pages are."""
    options = parse_arguments()
    work = work_folder(options.work, reads=True)
    config = Path(found_config(options.config)) if options.config else None
    if options.out:
        out_folder(options.out, work)
        refuse_made_by_others(options.out, (NAME, PREDICT))
        refuse_other_files(options.out, WRITTEN)
    if options.run:
        asked = Asked(options.study, [named_run(work, options.run, config)], "", options.out, NAME)
    else:
        asked = predicted(Path(options.study), work, config, options.out)
    show_study(asked, work, force=options.force)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = OneLineParser(description="Show a study that a run has answered, a page per series")
    parser.add_argument("study", help=f"folder of a study that {PREDICT}.sh has written; with --run, the study's name")
    parser.add_argument("--run", help="checkpoints/SYSTEM/EXPERIMENT, to show a study of the run's own data set")
    parser.add_argument("--config", default=os.environ.get("CONFIG"), help="the run's, if not in configs/ (CONFIG)")
    work = os.environ.get("WORK") or REPOSITORY
    parser.add_argument("--work", default=work, help="folder that holds data, checkpoints and preds (WORK)")
    parser.add_argument("--out", type=Path, help="another folder for findings and pages")
    parser.add_argument("--force", action="store_true", help="make them anew")
    return parser.parse_args()


def predicted(folder: Path, work: Path, config: Path | None, out: Path | None) -> Asked:
    """The study in a folder of run_71. Raises WrongUse for another folder."""
    from hounsfield.core.evaluation.findings_file import JSON
    from hounsfield.core.stages.outputs import files_whole, read_record
    from hounsfield.core.storage.files import read_json

    record = read_record(folder) if folder.is_dir() else None
    if record is None or JSON not in record["files"]:
        raise WrongUse(
            f"{one_line(folder)} is no folder of a predicted study: it holds no finished {JSON}. Predict one with sh "
            f"bin/{PREDICT}.sh PATH, or name a study of a run's own data set with --run"
        )
    if JSON in files_whole(folder, record):
        raise MissingInput(f"{folder / JSON} is missing or cut; start the command of {record['stage']} once more")
    findings = read_json(folder / JSON)
    runs = [named_run(work, one["name"], config) for one in findings["runs"]]
    made_from = record["inputs"].get("data set 0")
    data_set = Path(made_from["record"]).parent.name if made_from else ""
    return Asked(findings["study"], runs, data_set, out or folder, record["stage"] if out is None else NAME)


def open_view(one: ChosenRun, work: Path, data_set: str) -> tuple[StudyView, str]:
    """A run's answers for a data set, and that one's name."""
    config_class, default = one.system.config_class()
    stage = Stage(config_class, "", default, role="applies", single=True)
    applied = ["--apply-to", data_set] if data_set else []
    command = parse(stage_parser(stage), stage, ["--config", str(one.config), "--work", str(work), *applied])
    with naming_kept_config(one, command, f"{NAME}.sh", sys.argv[1:]):
        return one.system.adaptor().open_view(command), command.data_set


def show_study(asked: Asked, work: Path, *, force: bool) -> None:
    """Write findings and pages of the study."""
    from hounsfield.core.evaluation.study_outputs import Pages, answer_study, as_one, provenance_of
    from hounsfield.viewer.study_page import page_name, study_page

    opened = [open_view(one, work, asked.data_set) for one in asked.runs]
    views = [view for view, _ in opened]
    view = as_one(views)
    known(asked.study, view.studies)
    folder = asked.folder or work / "preds" / asked.runs[0].name / "studies" / opened[0][1] / asked.study
    findings, provenance = view.findings(asked.study), provenance_of(views, asked.stage)
    answer_study(view, findings, folder, provenance, Pages(study_page, page_name), force=force)
    for place in range(len(findings.series)):
        show(shown(folder / page_name(place)))


def known(study: str, studies: Sequence[str]) -> None:
    """Raise WrongUse, naming some that are there, for a study that is not."""
    if study not in studies:
        some = ", ".join(studies[:MOST_NAMED])
        more = f" and {len(studies) - MOST_NAMED} more" if len(studies) > MOST_NAMED else ""
        raise WrongUse(f"the run has no answers for a study {one_line(study)}; it has {some or 'none'}{more}")


if __name__ == "__main__":
    run(main)
