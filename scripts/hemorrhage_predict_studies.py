"""Predict studies of your own with a run's trained models, from DICOM to a table with a line per study.

In: folders, zip archives or single DICOM files, and the models below checkpoints/hemorrhage/<experiment>/.
Out: data/<data set>/, and in preds/hemorrhage/<experiment>/<data set>/ findings.csv, studies.csv, refused.csv.
"""

from __future__ import annotations

import sys

import rsna2019_prepare
from hounsfield.core.logs import set_up_logging
from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.core.stages.paths_given import add_study_options, paths_apart
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "Predict your own studies: PATH [PATH ...], folders, zip archives or single DICOM files",
    DEFAULT_CONFIG,
    role="applies",
    parts=("folds", "threads", "prepare"),
    single=True,
)


def main() -> None:
    """Predict the studies that the command line names."""
    set_up_logging()
    parser = stage_parser(STAGE)
    add_study_options(parser)
    paths, options = paths_apart(parser, sys.argv[1:])
    command = parse(parser, STAGE, options)
    from hounsfield.hemorrhage.stages.predict_studies import predict_studies

    predict_studies(command, paths, rsna2019_prepare.read_command)


if __name__ == "__main__":
    run(main)
