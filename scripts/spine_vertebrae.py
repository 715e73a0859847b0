"""Train the spine system's ratio networks, and tell how much of each vertebra every slice of a training study shows.

In: data/<data set>/studies.parquet, slices.parquet, volumes/, boxes/<experiment>/rows.parquet.
Out: checkpoints/spine/<experiment>/vertebrae/<model>/fold<k>_seed<s>/weights.safetensors and .json,
data/<data set>/pseudo_labels/<experiment>/rows.parquet.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, add_list_backbones, parse, run, stage_parser
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

STAGE = Stage(
    SpineConfig,
    "Train the spine system's ratio networks, and tell how much of each vertebra every slice of a training study shows",
    DEFAULT_CONFIG,
    parts=(
        "data_set",
        "folds",
        "nested",
        "seed",
        "threads",
        "precision",
        "workers",
        "excluded",
        "windows",
        "vertebrae",
    ),
)


def main() -> None:
    """Train every network that is not there yet, and write the pseudo-labels."""
    parser = stage_parser(STAGE)
    add_list_backbones(parser)
    command = parse(parser, STAGE)
    from hounsfield.spine.stages.vertebrae import make_pseudo_labels

    make_pseudo_labels(command)


if __name__ == "__main__":
    run(main)
