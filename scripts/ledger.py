"""Print what a run rests on, and which of its models have seen which patients.

In: the records (output.json) and ledgers (learned.parquet) of the run's folder and of all that it was made from.
Out: two tables on stdout; with --patient, the outputs that have seen that patient and how.
"""

from __future__ import annotations

import os
from pathlib import Path

from hounsfield.core.stages.command import REPOSITORY, run
from hounsfield.core.stages.mistakes import OneLineParser
from hounsfield.core.stages.variables import work_folder


def main() -> None:
    """Print the tables."""
    parser = OneLineParser(description="What a run rests on, and which of its models saw which patients")
    parser.add_argument("run", type=Path, help="folder of the run, such as preds/hemorrhage/quickstart")
    parser.add_argument("--patient", help="pseudonym of a patient: print who has seen it, and how")
    parser.add_argument("--work", type=Path, default=os.environ.get("WORK") or REPOSITORY, help="holds data and preds")
    options = parser.parse_args()
    from hounsfield.core.stages.lineage import print_lineage

    work = work_folder(options.work, reads=True)
    print_lineage(work, options.run, options.patient, example=work / "preds" / "hemorrhage" / "quickstart")


if __name__ == "__main__":
    run(main)
