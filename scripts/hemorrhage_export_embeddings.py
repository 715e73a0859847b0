"""Pack one experiment's embeddings of one data set into a portable archive with checksums.

In: data/<data set>/slices.parquet, sample_submission.csv, embeddings/<experiment>/, all with their records.
Out: data/<data set>/embeddings/<experiment>.tar, or --output.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "Pack embeddings into one archive: all that run_31 needs, without any image",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "embedding"),
    single=True,
)


def main() -> None:
    """Pack what is finished of the configuration's folds and epochs."""
    parser = stage_parser(STAGE)
    parser.add_argument("--output", type=str, default=None, help="the archive (default: beside the embeddings)")
    command = parse(parser, STAGE)
    from hounsfield.hemorrhage.stages.export_embeddings import pack_embeddings

    pack_embeddings(command)


if __name__ == "__main__":
    run(main)
