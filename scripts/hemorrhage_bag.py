"""Average the predictions of all runs into a submission, and score every step on held-out patients.

In: preds/hemorrhage/<experiment>/fold<k>_epoch<e>/, the logits beside the embeddings, and of data/<data set>/
slices.parquet and sample_submission.csv.
Out: preds/hemorrhage/<experiment>/ submission.csv.gz, findings.csv, studies.csv, out_of_fold.csv,
out_of_fold_studies.csv, scores.csv, study_rule.json, calibration.json, bag.parquet; of several experiments in
<a>+<b>/. With --apply-to another data set, in a folder of its name below that one.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig

STAGE = Stage(
    HemorrhageConfig,
    "Average all runs into a submission and score every step",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds"),
    single=True,
)


def main() -> None:
    """Bag what is not bagged yet, and show the scores."""
    parser = stage_parser(STAGE)
    parser.add_argument(
        "--experiments", type=str, nargs="+", default=None, help="bag these; their YAMLs lie beside that of --config"
    )
    command = parse(parser, STAGE)
    from hounsfield.hemorrhage.stages.bag import bag_and_score

    bag_and_score(command, STAGE)


if __name__ == "__main__":
    run(main)
