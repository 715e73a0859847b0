#!/bin/sh
# Average the predictions of all runs into one submission, and score every step on out-of-fold patients.
# In:  preds/hemorrhage/<experiment>/fold<k>_epoch<e>/ (run_14), data/<data set>/slices.parquet, embeddings/
# Out: preds/hemorrhage/<experiment>/scores.csv, bag.parquet, out_of_fold.csv, out_of_fold_studies.csv, study_rule.json,
#      calibration.json; of test slices, where there are any, submission.csv.gz, findings.csv, studies.csv, refused.csv
#
#   sh bin/run_15_bagged_submission.sh
#   sh bin/run_15_bagged_submission.sh --experiments crop no_crop
#   FOLDS="0 1" sh bin/run_15_bagged_submission.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/hemorrhage_bag.py "$@"
