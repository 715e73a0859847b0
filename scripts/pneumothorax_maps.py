"""Predict probability maps of out-of-fold and test films, or average those of several experiments.

In: checkpoints/pneumothorax/<experiment>/fold<k>/part<p>/ and data/<data set>/ (films.parquet, films/); of a blend,
data/<data set>/maps/ of its experiments.
Out: data/<data set>/maps/<experiment>/ maps.npy, maps.parquet.
With --apply-to another data set, all of whose films get the mean map of all networks.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig

STAGE = Stage(
    PneumothoraxConfig,
    "Predict probability maps",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "threads", "blend", "maps"),
)


def main() -> None:
    """Make the maps that are not made yet."""
    command = parse(stage_parser(STAGE), STAGE)
    from hounsfield.pneumothorax.stages.maps import make_maps

    make_maps(command)


if __name__ == "__main__":
    run(main)
