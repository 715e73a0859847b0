"""Turn the test films' maps into a submission, score every experiment and rule on out-of-fold films, draw a gallery.

In: data/<data set>/maps/<experiment>/ and preds/pneumothorax/<experiment>/thresholds/, of a blend's experiments too; in
data/<data set>/ films.parquet, films/, masks/ and sample_submission.csv.
Out: preds/pneumothorax/<experiment>/ submission.csv, findings.csv, out_of_fold.csv, scores.csv, calibration.json,
gallery.png.
With --apply-to another data set: in a folder of its name there, submission.csv, findings.csv, refused.csv, pictures/.
"""

from __future__ import annotations

from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PneumothoraxConfig

STAGE = Stage(
    PneumothoraxConfig,
    "Submit the test films' masks and score the out-of-fold ones",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds", "blend", "submission"),
)


def main() -> None:
    """Submit what is not submitted yet, and show the scores."""
    command = parse(stage_parser(STAGE), STAGE)
    from hounsfield.pneumothorax.stages.submit import submit_films

    submit_films(command)


if __name__ == "__main__":
    run(main)
