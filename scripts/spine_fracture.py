"""Train the spine system's fracture sequence networks: for each fold one of each model, and those of every study.

In: data/<data set>/ (studies.parquet, volumes/, boxes/<experiment>/, pseudo_labels/<experiment>/).
Out: checkpoints/spine/<experiment>/fracture/<model>/fold<k>_seed<s>/weights.safetensors and .json.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, add_list_backbones, parse, run, stage_parser
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

STAGE = Stage(
    SpineConfig,
    "Train the spine system's fracture sequence networks",
    DEFAULT_CONFIG,
    parts=(
        "data_set",
        "folds",
        "nested",
        "seed",
        "threads",
        "precision",
        "workers",
        "intensity",
        "windows",
        "fracture",
    ),
    single=True,
)


def main() -> None:
    """Train every network that is not there yet."""
    parser = stage_parser(STAGE)
    add_list_backbones(parser)
    command = parse(parser, STAGE)
    from hounsfield.spine.stages.fracture import train_fractures

    train_fractures(command)


if __name__ == "__main__":
    run(main)
