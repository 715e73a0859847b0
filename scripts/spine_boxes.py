"""Train the spine system's localisers, and find one box and range of slices per study.

In: data/<data set>/studies.parquet, slices.parquet, volumes/.
Out: checkpoints/spine/<experiment>/boxes/localizer/fold<k>_seed<s>/weights.safetensors and .json,
data/<data set>/boxes/<experiment>/rows.parquet.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, add_list_backbones, parse, run, stage_parser
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

STAGE = Stage(
    SpineConfig,
    "Train the spine system's localisers, and find one box and range of slices per study",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "nested", "seed", "threads", "precision", "workers", "excluded", "intensity", "boxes"),
    single=True,
)


def main() -> None:
    """Train every localiser that is not there yet, and find the boxes."""
    parser = stage_parser(STAGE)
    add_list_backbones(parser)
    command = parse(parser, STAGE)
    from hounsfield.spine.stages.boxes import make_boxes

    make_boxes(command)


if __name__ == "__main__":
    run(main)
