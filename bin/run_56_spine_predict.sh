#!/bin/sh
# Answer with the networks' mean for studies without labels, submit that, and score the networks out of fold beside the
# best constant prediction. Neck CT of your own, from DICOM to a page per study, is answered by run_71_predict_study.sh.
# In:  data/<data set>/ (run_51) with boxes (run_52) and pseudo-labels (run_53), CONFIG's study networks and what they
#      say of their validation folds (run_55)
# Out: preds/spine/<experiment>/: scores.csv, boxes.csv, submission.csv, findings.csv with a row per study, out_of_fold.csv,
#      calibration.json, pictures/; of another data set (DATA_SET) studies/<data set>/ in it: findings.csv, refused.csv,
#      calibration.json, pictures/
#
#   sh bin/run_56_spine_predict.sh
#   sh bin/run_56_spine_predict.sh --pictures 12
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/spine_predict.py "$@"
