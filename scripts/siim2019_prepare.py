"""Prepare a data set: chest films to grey PNGs, masks and one table of films.

In: the competition's archive (zips or folders, of either stage), or any DICOM films.
Out: data/<data set>/films.parquet, films/, masks/, rejected.csv.
"""

from __future__ import annotations

from collections.abc import Sequence

from hounsfield.core.stages.command import Command, Stage, parse, run, stage_parser
from hounsfield.core.stages.ranges import whole_count
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig

STAGE = Stage(
    PneumothoraxConfig,
    "chest films to grey images, masks and a table of films",
    DEFAULT_CONFIG,
    role="prepares",
    parts=("data_set", "prepare"),
)


def main() -> None:
    """Prepare what is not prepared yet, then draw the masks and write the tables."""
    command = read_command()
    from hounsfield.pneumothorax.stages.prepare import prepare

    prepare(command)


def read_command(argv: Sequence[str] | None = None) -> Command[PneumothoraxConfig]:
    """The command line: `argv`, or the process's own."""
    parser = stage_parser(STAGE)
    parser.add_argument("--archive", nargs="+", default=None, help="competition archive: zips and unpacked folders")
    parser.add_argument("--images", nargs="+", default=None, help="your own films: folders of any depth, zips, files")
    parser.add_argument("--labels", type=str, default=None, help="for --images: CSV of run lengths, or folder of masks")
    parser.add_argument("--folds-table", type=str, default=None, help="published folds: CSV fname,fold,exist_labels")
    parser.add_argument("--jobs", type=whole_count, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    return parse(parser, STAGE, argv)


if __name__ == "__main__":
    run(main)
