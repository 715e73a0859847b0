"""Train the pneumothorax system's network, fold after fold, part after part.

In: data/<data set>/films.parquet, films/ and masks/.
Out: checkpoints/pneumothorax/<experiment>/fold<k>/part<p>/epoch<e>.safetensors and .json, top.json.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig

STAGE = Stage(
    PneumothoraxConfig,
    "Train the pneumothorax system's network, fold after fold, part after part",
    DEFAULT_CONFIG,
    parts=("data_set", "folds", "seed", "threads", "network", "training"),
)


def main() -> None:
    """Train every part that is not there yet."""
    parser = stage_parser(STAGE)
    parser.add_argument("--part", type=int, nargs="+", default=None, help="these parts alone (default: all)")
    command = parse(parser, STAGE)
    from hounsfield.pneumothorax.stages.train import train_parts

    train_parts(command)


if __name__ == "__main__":
    run(main)
