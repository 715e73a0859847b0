"""Train the classifiers of the stacking system, each without its validation fold.

In: data/<data set>/stacking/<experiment>/slices.parquet, data/<data set>/hu/.
Out: checkpoints/stacking/<experiment>/<network>/fold<k>/epoch<e>.safetensors.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, add_list_backbones, parse, run, stage_parser
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.network_settings import add_network_argument

STAGE = Stage(
    StackingConfig,
    "Train the classifiers of the stacking system",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "threads", "networks", "training"),
)


def main() -> None:
    """Train every epoch that is not there yet."""
    parser = stage_parser(STAGE)
    add_network_argument(parser)
    add_list_backbones(parser)
    command = parse(parser, STAGE)
    from hounsfield.stacking.stages.train import train_networks

    train_networks(command)


if __name__ == "__main__":
    run(main)
