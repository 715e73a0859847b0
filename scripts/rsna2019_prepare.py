"""Prepare a data set: DICOM to windowed images and one table of slices.

In: the competition's archive (a zip or a folder), or any folder of DICOM files.
Out: data/<data set>/slices.parquet, images/, rejected.csv.
"""

from __future__ import annotations

from hounsfield.core.logs import set_up_logging
from hounsfield.core.stages.command import Stage, parse, run, stage_parser
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
    set_up_logging()
    parser = stage_parser(STAGE)
    parser.add_argument("--archive", type=str, default=None, help="competition archive: a zip or the unpacked folder")
    parser.add_argument("--images", nargs="+", default=None, help="your own DICOM: folders of any depth, zips, files")
    parser.add_argument("--labels", type=str, default=None, help="CSV with labels for --images")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    command = parse(parser, STAGE)
    from hounsfield.hemorrhage.stages.prepare import prepare

    prepare(command)


if __name__ == "__main__":
    run(main)
