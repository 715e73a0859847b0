"""Extract the embeddings of every slice with the classifiers of each fold.

In: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors, data/<data set>/slices.parquet and images/.
Out: data/<data set>/embeddings/<experiment>/fold<k>/epoch<e>/.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "Extract the embeddings of every slice, for every fold, every epoch's classifier and every view",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "threads", "embedding"),
    single=True,
)


def main() -> None:
    """Extract what the configuration's folds and epochs still lack."""
    command = parse(stage_parser(STAGE), STAGE)
    from hounsfield.hemorrhage.stages.extract_embeddings import extract_embeddings

    extract_embeddings(command)


if __name__ == "__main__":
    run(main)
