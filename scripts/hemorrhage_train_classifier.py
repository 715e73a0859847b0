"""Train the slice classifier, fold after fold.

In: data/<data set>/slices.parquet and images/.
Out: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors and .json.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, add_list_backbones, parse, run, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "Train the slice classifier, fold after fold",
    DEFAULT_CONFIG,
    parts=("data_set", "folds", "seed", "threads", "classifier"),
    single=True,
)


def main() -> None:
    """Train every fold that is not there yet."""
    parser = stage_parser(STAGE)
    add_list_backbones(parser)
    command = parse(parser, STAGE)
    from hounsfield.hemorrhage.stages.train_classifier import train_classifiers

    train_classifiers(command)


if __name__ == "__main__":
    run(main)
