"""Predict chest films of your own with a run's trained networks, from DICOM to masks, findings and pictures.

In: folders, zip archives or single DICOM files, and the networks below checkpoints/pneumothorax/<experiment>/.
Out: data/<data set>/, and in preds/pneumothorax/<experiment>/<data set>/ findings.csv, submission.csv, pictures/.
"""

from __future__ import annotations

import sys

import siim2019_prepare
from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.core.stages.paths_given import paths_apart
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig

STAGE = Stage(
    PneumothoraxConfig,
    "Predict your own chest films: PATH [PATH ...], folders, zip archives or single DICOM files",
    DEFAULT_CONFIG,
    role="applies",
    parts=("folds", "threads", "maps", "submission"),
)


def main() -> None:
    """Predict the films that the command line names."""
    parser = stage_parser(STAGE)
    parser.add_argument("--jobs", type=int, default=None, help="processes that read DICOM (default: one per core)")
    paths, options = paths_apart(parser, sys.argv[1:])
    command = parse(parser, STAGE, options)
    from hounsfield.pneumothorax.stages.predict_films import predict_films

    predict_films(command, paths, siim2019_prepare.read_command)


if __name__ == "__main__":
    run(main)
