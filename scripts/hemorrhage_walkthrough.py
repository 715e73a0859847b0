"""Explain the sequence network on a run's own numbers: one page, all of whose numbers are computed as it is built.

In: data/<data set>/slices.parquet and images/, data/<data set>/embeddings/<experiment>/, the networks in
checkpoints/hemorrhage/<experiment>/fold<k>/sequence_epoch<e>/ and their predictions.
Out: preds/hemorrhage/<experiment>/walkthrough.html; of the ablations, which are trained once,
checkpoints/hemorrhage/<experiment>/fold<k>/<ablation>_epoch<e>/.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "Explain the sequence network on a run's own numbers",
    DEFAULT_CONFIG,
    parts=("data_set", "folds", "seed", "threads", "sequence"),
)


def main() -> None:
    """Train the ablations that are not trained yet, and build the page."""
    parser = stage_parser(STAGE)
    parser.add_argument(
        "--without-ablations",
        action="store_true",
        help="train nothing; the page then does not say what each part is worth",
    )
    command = parse(parser, STAGE)
    from hounsfield.hemorrhage.stages.walkthrough import explain

    explain(command)


if __name__ == "__main__":
    run(main)
