"""Train the sequence network on each classifier's embeddings, and predict with it.

In: data/<data set>/embeddings/<experiment>/fold<k>/epoch<e>/, data/<data set>/slices.parquet.
Out: checkpoints/hemorrhage/<experiment>/fold<k>/sequence_epoch<e>/,
preds/hemorrhage/<experiment>/fold<k>_epoch<e>/predictions.parquet.
With --apply-to another data set, whose studies are predicted with the networks trained before.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "Train the sequence network, fold after fold, and predict out-of-fold and test slices",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "seed", "threads", "sequence"),
    single=True,
)


def main() -> None:
    """Train and predict for every fold and extracted epoch of its classifier, or predict another data set."""
    command = parse(stage_parser(STAGE), STAGE)
    from hounsfield.hemorrhage.stages.train_sequence import train_sequences

    train_sequences(command)


if __name__ == "__main__":
    run(main)
