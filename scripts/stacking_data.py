"""Store the slices that show brain in Hounsfield units, and write the stacking system's table of slices.

In: data/<data set>/slices.parquet, and the DICOM files that it was made from.
Out: data/<data set>/hu/, of all experiments; stacking/<experiment>/ slices.parquet, hu_rejected.csv.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.core.stages.ranges import whole_count
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig

STAGE = Stage(
    StackingConfig,
    "Slices in Hounsfield units, and the table of this system",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "data"),
)


def main() -> None:
    """Store what is not stored yet, then write the table."""
    parser = stage_parser(STAGE)
    parser.add_argument("--archive", type=str, default=None, help="competition archive, where it lies elsewhere now")
    parser.add_argument("--images", nargs="+", default=None, help="your own DICOM files, where they lie elsewhere now")
    parser.add_argument("--jobs", type=whole_count, default=None, help="processes (default: one per core)")
    parser.add_argument("--dask-scheduler", type=str, default=None, help="address of a Dask cluster to use instead")
    command = parse(parser, STAGE)
    from hounsfield.stacking.stages.data import store_slices

    store_slices(command)


if __name__ == "__main__":
    run(main)
