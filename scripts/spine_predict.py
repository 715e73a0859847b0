"""Answer and submit with an experiment's finished networks, and score them; or answer for neck CT of your own.

In: data/<data set>/ with its boxes, the networks below checkpoints/spine/<experiment>/, and what they say of their
validation folds; or folders, zip archives and DICOM files.
Out: preds/spine/<experiment>/ scores.csv, boxes.csv, submission.csv, findings.csv, out_of_fold.csv, calibration.json,
pictures/; of another data set, or studies of your own, studies/<data set>/ in it, with findings.csv, refused.csv,
calibration.json, pictures/.
"""

from __future__ import annotations

import sys

import rsna2022_prepare
from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.core.stages.paths_given import add_study_options, paths_apart
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

STAGE = Stage(
    SpineConfig,
    "Submit and score an experiment; or answer for studies of your own: PATH [PATH ...], folders, zips, DICOM files",
    DEFAULT_CONFIG,
    role="applies",
    parts=("folds", "nested", "threads", "workers"),
    single=True,
)


def main() -> None:
    """Answer for the data set, or for the studies that the command line names."""
    parser = stage_parser(STAGE)
    add_study_options(parser, labels=False)
    parser.add_argument("--pictures", nargs="+", default=None, help="how many studies to draw, or which (default: 4)")
    paths, options = paths_apart(parser, sys.argv[1:])
    command = parse(parser, STAGE, options)
    if paths:
        from hounsfield.spine.stages.predict_studies import predict_given_studies

        predict_given_studies(command, paths, rsna2022_prepare.read_command)
    else:
        from hounsfield.spine.stages.predict import predict_data_set

        predict_data_set(command)


if __name__ == "__main__":
    run(main)
