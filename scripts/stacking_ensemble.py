"""Average the second level's three libraries into a submission, and score every step on held-out patients.

In: preds/stacking/<experiment>/ (the classifiers' tables and the second level's), data/<data set>/stacking/
<experiment>/slices.parquet, and of data/<data set>/ slices.parquet and sample_submission.csv.
Out: preds/stacking/<experiment>/ submission.csv.gz, findings.csv, scores.csv, calibration.json, ensemble.parquet.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.stacking.config import BOOSTERS, DEFAULT_CONFIG, StackingConfig

STAGE = Stage(
    StackingConfig,
    "Average the second level into a submission and score it",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "submission"),
)


def main() -> None:
    """Average what is not averaged yet, and show the scores."""
    parser = stage_parser(STAGE)
    parser.add_argument("--booster", nargs="+", choices=BOOSTERS, default=None, help="these libraries alone")
    command = parse(parser, STAGE)
    from hounsfield.stacking.stages.ensemble import average_boosters

    average_boosters(command)


if __name__ == "__main__":
    run(main)
