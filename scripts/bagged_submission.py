"""Average the finished predictions of several systems into one submission, and score the blend.

In: bag.parquet or ensemble.parquet in each of the folders given, data/<data set>/slices.parquet and
sample_submission.csv.
Out: preds/bags/<name>/ submission.csv.gz, findings.csv, scores.csv, calibration.json.
"""

from __future__ import annotations

import argparse
import math
import os
import sys

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import REPOSITORY, command_line, run, shown
from hounsfield.core.stages.mistakes import OneLineParser
from hounsfield.core.stages.variables import work_folder

DEFAULT_RUNS = ("preds/hemorrhage/crop", "preds/stacking/se_resnext")


def main() -> None:
    """Blend, submit, score."""
    options = parse_arguments()
    from hounsfield.competitions.rsna2019.bag_of_systems import STAGE, bag_systems
    from hounsfield.hemorrhage.paths import BAG
    from hounsfield.stacking.paths import AVERAGE, ENSEMBLE
    from hounsfield.stacking.tables import folds_of_run

    work = work_folder(options.work, reads=True)
    bag_systems(
        work,
        options.runs,
        {BAG: "bag.parquet", AVERAGE: ENSEMBLE},
        folds_of_run,
        name=options.name,
        weights=options.weights,
        fitted=options.fit_weights,
        force=options.force,
        remedy=command_line(f"{STAGE}.sh", {"WORK": shown(work)}, *sys.argv[1:]).removesuffix(" --force"),
    )


def parse_arguments() -> argparse.Namespace:
    """The command line. Raises WrongUse when weights and runs do not go together."""
    parser = OneLineParser(description="Average several systems' predictions into one submission")
    parser.add_argument("--runs", nargs="+", default=DEFAULT_RUNS, help="folders with bag.parquet or ensemble.parquet")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--weights", nargs="+", type=float, help="one for each run (default: equal)")
    weights.add_argument("--fit-weights", action="store_true", help="fit them on out-of-fold predictions")
    parser.add_argument("--name", help="of the output folder (default: the runs' names, joined)")
    parser.add_argument("--work", default=os.environ.get("WORK") or REPOSITORY, help="holds data and preds")
    parser.add_argument("--force", action="store_true", help="replace a blend that was made from something else")
    options = parser.parse_args()
    given, count = options.weights, len(options.runs)
    if given and (len(given) != count or min(given) < 0 or not 0 < sum(given) < math.inf):
        raise WrongUse(f"--weights: give {count} numbers from 0 on, one for each run, not all of them 0")
    return options


if __name__ == "__main__":
    run(main)
