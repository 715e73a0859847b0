#!/bin/sh
# Average the predictions of all runs into one submission, and score every step on out-of-fold patients.
# In:  preds/hemorrhage/<experiment>/fold<k>_epoch<e>.parquet (run_14), data/<data set>/slices.parquet, embeddings/
# Out: preds/hemorrhage/<experiment>/submission.csv.gz, findings.csv and scores.csv
#
#   sh bin/run_15_bagged_submission.sh
#   sh bin/run_15_bagged_submission.sh --experiments crop no_crop
#   FOLDS="0 1" sh bin/run_15_bagged_submission.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

need "$WORK/preds/hemorrhage/$EXPERIMENT" run_14_trainfull_sequential.sh
# shellcheck disable=SC2086  # one word a fold
program scripts/hemorrhage_bag.py --config "$CONFIG" --work "$WORK" --fold $FOLDS \
    ${GIVEN_DATA_SET:+--apply-to "$GIVEN_DATA_SET"} "$@"
