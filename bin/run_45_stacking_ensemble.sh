#!/bin/sh
# Average LightGBM, CatBoost and XGBoost into one submission, and score every step of the stacking system on out-of-fold
# patients.
# In:  preds/stacking/<experiment>/ (run_43, run_44), data/<data set>/stacking/<experiment>/slices.parquet (run_41),
#      data/<data set>/slices.parquet and sample_submission.csv (run_01)
# Out: preds/stacking/<experiment>/scores.csv, ensemble.parquet, out_of_fold.csv, out_of_fold_studies.csv,
#      study_rule.json, calibration.json, output.json; of test slices, where there are any, submission.csv.gz,
#      findings.csv, studies.csv, refused.csv
#
#   sh bin/run_45_stacking_ensemble.sh
#   sh bin/run_45_stacking_ensemble.sh --apply-to my_hospital          # other slices: preds/stacking/<experiment>/my_hospital/
#   sh bin/run_45_stacking_ensemble.sh --booster lightgbm xgboost
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/stacking_ensemble.py "$@"
