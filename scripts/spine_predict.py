"""Answer and submit with an experiment's finished networks, and score them.

In: data/<data set>/ with its boxes, the networks below checkpoints/spine/<experiment>/, and what they say of their
validation folds.
Out: preds/spine/<experiment>/ scores.csv, boxes.csv, submission.csv, findings.csv, out_of_fold.csv, calibration.json,
pictures/; of another data set studies/<data set>/ in it, with findings.csv, refused.csv, calibration.json, pictures/.
"""

from __future__ import annotations

import sys

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import Stage, command_line, parse, run, stage_parser
from hounsfield.core.stages.paths_given import paths_apart
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

ANSWERS = "run_71_predict_study"  # studies of one's own
STAGE = Stage(
    SpineConfig,
    "Answer for a data set's studies without labels, submit that, and score the experiment out of fold",
    DEFAULT_CONFIG,
    role="applies",
    parts=("folds", "nested", "threads", "workers"),
    single=True,
)


def main() -> None:
    """Answer for the data set."""
    parser = stage_parser(STAGE)
    parser.add_argument("--pictures", nargs="+", default=None, help="how many studies to draw, or which (default: 4)")
    paths, options = paths_apart(parser, sys.argv[1:])
    command = parse(parser, STAGE, options)
    if paths:
        from hounsfield.core.intake.given_studies import check_given

        check_given(paths, ANSWERS)
        answer = command_line(f"{ANSWERS}.sh", command.variables, *paths)
        raise WrongUse(f"{paths[0]}: studies of your own are answered by: {answer}")
    from hounsfield.spine.stages.predict import predict_data_set

    predict_data_set(command)


if __name__ == "__main__":
    run(main)
