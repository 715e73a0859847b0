"""Predict validation and test slices with the classifiers of the stacking system.

In: checkpoints/stacking/<experiment>/<network>/fold<k>/, data/<data set>/stacking/<experiment>/slices.parquet,
data/<data set>/hu/.
Out: preds/stacking/<experiment>/<network>/fold<k>_epoch<e>/predictions.parquet.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.network_settings import add_network_argument

STAGE = Stage(
    StackingConfig,
    "Predict validation and test slices",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "seed", "threads", "prediction"),
)


def main() -> None:
    """Predict with every checkpoint that is to be averaged."""
    parser = stage_parser(STAGE)
    add_network_argument(parser)
    command = parse(parser, STAGE)
    from hounsfield.stacking.stages.predict import predict_networks

    predict_networks(command)


if __name__ == "__main__":
    run(main)
