"""Take embeddings from elsewhere: an archive of run_16, the address of one, or the layout published in 2019.

In: an archive: a file, or an address, whose file is kept in data/raw/downloads/; or a folder or a tar with emb*.npz and
the four tables.
Out: data/<data set>/slices.parquet, embeddings/<experiment>/ with <experiment>.yaml. On stdout two lines: the path of
that configuration, and the folds, separated by blanks.
"""

from __future__ import annotations

from hounsfield.core.stages.command import REPOSITORY, Stage, parse, run, stage_parser
from hounsfield.hemorrhage.config import HemorrhageConfig
from hounsfield.hemorrhage.published_2019.table_names import TABLE_NAMES, TABLE_OPTIONS

STAGE = Stage(
    HemorrhageConfig,
    "Take embeddings from elsewhere (an archive of run_16 brings its own configuration)",
    REPOSITORY / "configs" / "hemorrhage" / "published.yaml",
    parts=("data_set", "folds", "prepare", "embedding"),
    single=True,
)


def main() -> None:
    """Take what is not here yet, and print which configuration and folds it is."""
    parser = stage_parser(STAGE)
    parser.add_argument("archive", nargs="?", help="a file, a folder in the published layout, or an http(s) address")
    parser.add_argument("--sha256", default=None, help="what the SHA-256 of a downloaded archive must be")
    tables_help = "published layout: tables with a column Image, for one fold, in place of the pickled loaders"
    parser.add_argument("--row-order", nargs=3, default=None, metavar=("TRN", "VAL", "TST"), help=tables_help)
    for option, name in zip(TABLE_OPTIONS, TABLE_NAMES, strict=True):
        parser.add_argument(f"--{option.replace('_', '-')}", type=str, default=None, help=f"instead of {name}")
    command = parse(parser, STAGE)
    from hounsfield.hemorrhage.stages.import_embeddings import take_embeddings

    take_embeddings(command)


if __name__ == "__main__":
    run(main)
