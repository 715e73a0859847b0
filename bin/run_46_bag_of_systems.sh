#!/bin/sh
# Average the finished predictions of both RSNA 2019 systems into one submission, and score each and the blend.
# In:  preds/hemorrhage/<experiment>/bag.parquet (run_15), preds/stacking/<experiment>/ensemble.parquet (run_45),
#      data/<data set>/slices.parquet and sample_submission.csv (run_01)
# Out: preds/bags/<name>/submission.csv.gz, findings.csv, studies.csv, out_of_fold.csv, out_of_fold_studies.csv,
#      scores.csv, study_rule.json, calibration.json, output.json (with the weights)
#
#   sh bin/run_46_bag_of_systems.sh                            # crop and se_resnext, equal weights
#   sh bin/run_46_bag_of_systems.sh --fit-weights              # weights from out-of-fold predictions
#   sh bin/run_46_bag_of_systems.sh --runs preds/hemorrhage/quickstart preds/stacking/quickstart --weights 2 1
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/bagged_submission.py "$@"
