"""Prepare a data set: CT series to volumes of Hounsfield units, and tables of studies and slices.

In: the competition's archive (a zip or a folder), or any DICOM series.
Out: data/<data set>/studies.parquet, slices.parquet, volumes/, rejected.csv.
"""

from __future__ import annotations

from collections.abc import Sequence

from hounsfield.core.stages.command import Command, Stage, parse, run, stage_parser
from hounsfield.core.stages.ranges import whole_count
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

STAGE = Stage(
    SpineConfig,
    "CT series to volumes and tables of studies and slices",
    DEFAULT_CONFIG,
    role="prepares",
    parts=("data_set", "prepare"),
)
LABELS = "for --images: CSV StudyInstanceUID, patient_overall, C1..C7"
SEGMENTATIONS = "for --images: folder of NIfTI files, each named after its study"


def main() -> None:
    """Prepare what is not prepared yet, join each study's slices, then write the tables."""
    command = read_command()
    from hounsfield.spine.stages.prepare import prepare

    prepare(command)


def read_command(argv: Sequence[str] | None = None) -> Command[SpineConfig]:
    """The command line: `argv`, or the process's own."""
    parser = stage_parser(STAGE)
    parser.add_argument("--archive", nargs="+", default=None, help="competition archive: zip or unpacked folder")
    parser.add_argument("--images", nargs="+", default=None, help="your own series: folders of any depth, zips, files")
    parser.add_argument("--labels", type=str, default=None, help=LABELS)
    parser.add_argument("--segmentations", type=str, default=None, help=SEGMENTATIONS)
    parser.add_argument("--folds-table", type=str, default=None, help="published folds: CSV StudyInstanceUID,fold")
    parser.add_argument("--jobs", type=whole_count, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    return parse(parser, STAGE, argv)


if __name__ == "__main__":
    run(main)
