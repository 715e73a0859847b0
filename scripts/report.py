"""Write the report of a finished run: a page that opens from disk, its figures, every number as JSON, a model card.

In: preds/<system>/<experiment>/ (run_15, run_45, run_56 or run_65) and all that it was made from.
Out: in that folder report.html, report.json, report/ (figures as PNG and SVG, pictures).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from hounsfield.core.errors import WrongUse
from hounsfield.core.logs import Stopwatch, set_up_logging, show, summary
from hounsfield.core.stages.command import REPOSITORY, command_line, run, shown

LAST_STAGES = {  # of each system: what makes a run that can be reported
    "hemorrhage": "run_15_bagged_submission.sh",
    "stacking": "run_45_stacking_ensemble.sh",
    "spine": "run_56_spine_predict.sh",
    "pneumothorax": "run_65_pneumothorax_submit.sh",
}


def main() -> None:
    """Read the run, and write its report."""
    set_up_logging()
    options, watch = parse_arguments(), Stopwatch()
    from hounsfield.core.stages.finished import finished_run
    from hounsfield.core.storage.files import locked
    from hounsfield.report.build import write_report
    from hounsfield.systems import SYSTEMS

    work = Path(options.work).resolve()
    folder = run_folder(work, options.run)
    system = next((name for name in folder.parts[::-1] if name in LAST_STAGES), "")
    if not system:
        raise WrongUse(f"{folder} is no run of {', '.join(LAST_STAGES)}; name preds/<system>/<experiment>")
    again = command_line(LAST_STAGES[system], {"CONFIG": f"configs/{system}/{folder.name}.yaml"})
    found, remedy_of = finished_run(work, folder, again)
    with locked(found.folder):
        facts = SYSTEMS[system].module("report_facts").report_facts(found, remedy_of)
        page = write_report(facts)
    summary("report", len(facts.levels[0].ids), facts.levels[0].rows, watch.seconds)
    show(f"report: {shown(page)}")


def run_folder(work: Path, given: Path) -> Path:
    """The folder of a run's predictions, by it or by that of its checkpoints, from here or from the work folder."""
    folder = (given if given.exists() else work / given).resolve()
    if folder.is_relative_to(work / "checkpoints"):
        return work / "preds" / folder.relative_to(work / "checkpoints")
    return folder


def parse_arguments() -> argparse.Namespace:
    """The command line; a configuration stands for its run."""
    parser = argparse.ArgumentParser(description="Write the report of a finished run")
    parser.add_argument("--run", type=Path, help="folder of the run, below preds/ or checkpoints/")
    config = os.environ.get("CONFIG") or "configs/hemorrhage/crop.yaml"
    parser.add_argument("--config", type=Path, default=Path(config), help="or the configuration of the run (CONFIG)")
    work = os.environ.get("WORK") or REPOSITORY
    parser.add_argument("--work", default=work, help="folder that holds data, checkpoints and preds (WORK)")
    options = parser.parse_args()
    if options.run is None:
        options.run = Path("preds", options.config.resolve().parent.name, options.config.stem)
    return options


if __name__ == "__main__":
    run(main)
