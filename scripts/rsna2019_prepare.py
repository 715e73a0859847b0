"""Prepare a data set: DICOM to windowed images and one table of slices.

In: the competition's archive (a zip or a folder), or any folder of DICOM files.
Out: data/<data set>/slices.parquet, images/, rejected.csv.
"""

from __future__ import annotations

from collections.abc import Sequence

from hounsfield.core.stages.command import Command, Stage, parse, run, stage_parser
from hounsfield.core.stages.ranges import whole_count
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "DICOM to windowed images and a table of slices",
    DEFAULT_CONFIG,
    role="prepares",
    parts=("data_set", "prepare"),
)


def main() -> None:
    """Prepare what is not prepared yet, then write the tables."""
    prepare_data_set(read_command())


def prepare_data_set(command: Command[HemorrhageConfig]) -> None:
    """Prepare what a command line names."""
    from hounsfield.hemorrhage.stages.prepare import prepare

    prepare(command)


def read_command(argv: Sequence[str] | None = None) -> Command[HemorrhageConfig]:
    """The command line: `argv`, or the process's own."""
    parser = stage_parser(STAGE)
    parser.add_argument("--archive", type=str, default=None, help="competition archive: a zip or the unpacked folder")
    parser.add_argument("--images", nargs="+", default=None, help="your own DICOM: folders of any depth, zips, files")
    parser.add_argument("--labels", type=str, default=None, help="table of labels for --images: CSV or Parquet")
    parser.add_argument("--test", type=str, default=None, help="test set: a table or a folder that names its files")
    parser.add_argument("--classes", nargs="+", default=None, help="columns that are labels (default: all but names)")
    parser.add_argument("--any-of", type=str, default=None, help="class that means any of the others (default: any)")
    parser.add_argument("--class-weights", nargs="+", default=None, help="NAME=NUMBER (default: 1, and 2 for any)")
    parser.add_argument("--soft-labels", action="store_true", help="labels may be probabilities")
    parser.add_argument("--labels-apply-to-slices", action="store_true", help="slices bear their study's label")
    parser.add_argument("--score-only", action="store_true", help="labels to score by, of no folds to train on")
    parser.add_argument("--jobs", type=whole_count, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    return parse(parser, STAGE, argv)


if __name__ == "__main__":
    run(main)
