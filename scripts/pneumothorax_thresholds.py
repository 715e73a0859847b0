"""Choose the rule that turns probability maps into masks, over a whole grid, nested by fold.

In: data/<data set>/maps/<experiment>/, films.parquet and masks/ of data/<data set>/.
Out: preds/pneumothorax/<experiment>/thresholds/ rules.json, grid.csv, surface.png.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig

STAGE = Stage(
    PneumothoraxConfig,
    "Choose thresholds and area over a grid",
    DEFAULT_CONFIG,
    parts=("data_set", "folds", "blend", "thresholds"),
)


def main() -> None:
    """Choose, and show what was chosen."""
    command = parse(stage_parser(STAGE), STAGE)
    from hounsfield.pneumothorax.stages.thresholds import choose_thresholds

    choose_thresholds(command)


if __name__ == "__main__":
    run(main)
