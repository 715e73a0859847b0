#!/bin/sh
# Turn the test films' maps into run lengths, score the maps on out-of-fold films beside the empty submission, and draw a
# gallery of true and false positives and negatives.
# In:  data/<data set>/maps/<experiment>/ (run_63), preds/pneumothorax/<experiment>/thresholds/ (run_64), of a blend's
#      experiments, too; films.parquet, films/, masks/ and sample_submission.csv of data/<data set>/ (run_61)
# Out: preds/pneumothorax/<experiment>/: submission.csv, findings.csv, out_of_fold.csv, scores.csv, calibration.json,
#      gallery.png; with --apply-to another data set, in a folder of its name there: findings.csv, submission.csv,
#      refused.csv, calibration.json, and in pictures/ each film, outlined
#
#   sh bin/run_65_pneumothorax_submit.sh
#   sh bin/run_65_pneumothorax_submit.sh --submission.regions components --submission.least_region 0.0001
#   sh bin/run_65_pneumothorax_submit.sh --apply-to my_films           # after run_61 and run_63 of these films
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/pneumothorax_submit.py "$@"
