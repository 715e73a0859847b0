"""Train the spine system's study networks over the frozen slice networks of stage 54, and predict the validation folds.

In: data/<data set>/ (studies.parquet, volumes/, boxes/<experiment>/), checkpoints/spine/<experiment>/fracture/.
Out: checkpoints/spine/<experiment>/study/<model>/fold<k>_seed<s>/weights.safetensors and .json;
preds/spine/<experiment>/study/<model>/fold<k>_seed<s>/rows.parquet.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

STAGE = Stage(
    SpineConfig,
    "Train the spine system's study networks, and predict the validation folds",
    DEFAULT_CONFIG,
    parts=("data_set", "folds", "nested", "seed", "threads", "precision", "workers", "intensity", "study"),
    single=True,
)


def main() -> None:
    """Train every network that is not there yet, and predict what is not predicted yet."""
    command = parse(stage_parser(STAGE), STAGE)
    from hounsfield.spine.stages.study import train_studies

    train_studies(command)


if __name__ == "__main__":
    run(main)
