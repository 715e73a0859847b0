"""Train the second level of the stacking system: gradient boosting over each study's predictions.

In: preds/stacking/<experiment>/<network>/, data/<data set>/stacking/<experiment>/slices.parquet.
Out: checkpoints/stacking/<experiment>/<booster>/<stopping>/ (a model per class and fold, importance.csv),
preds/stacking/<experiment>/<booster>_<stopping>/predictions.parquet.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.stacking.config import BOOSTERS, DEFAULT_CONFIG, STOPPINGS, StackingConfig

STAGE = Stage(
    StackingConfig,
    "Train the second level of the stacking system",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "threads", "second_level"),
)


def main() -> None:
    """Train and predict with every library and both ways of early stopping."""
    parser = stage_parser(STAGE)
    parser.add_argument("--booster", nargs="+", choices=BOOSTERS, default=None, help="these libraries alone")
    parser.add_argument("--stopping", nargs="+", choices=STOPPINGS, default=None, help="one way to stop training early")
    parser.add_argument("--skip-missing", action="store_true", help="go on without libraries that are not installed")
    command = parse(parser, STAGE)
    from hounsfield.stacking.stages.second_level import train_second_level

    train_second_level(command)


if __name__ == "__main__":
    run(main)
