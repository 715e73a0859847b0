#!/bin/sh
# Answer with the networks' mean for studies without labels, submit that, and score the networks out of fold beside the
# best constant prediction. With paths: the same answers for neck CT of your own, from DICOM to a line per study.
# In:  data/<data set>/ (run_51) with boxes (run_52) and pseudo-labels (run_53), CONFIG's study networks and what they
#      say of their validation folds (run_55); or folders (any depth, any file names), zip archives and DICOM files
# Out: preds/spine/<experiment>/: scores.csv, boxes.csv, submission.csv, findings.csv with a row per study, out_of_fold.csv,
#      calibration.json, pictures/; of another data set (DATA_SET) or of paths studies/<data set>/ in it: findings.csv,
#      refused.csv, calibration.json, pictures/.
#      Studies of your own become a data set that is named after what is given, or by DATA_SET
#
#   sh bin/run_56_spine_predict.sh
#   sh bin/run_56_spine_predict.sh --pictures 12
#   sh bin/run_56_spine_predict.sh /mnt/ct/ward7 disc.zip                   # studies of your own
#   CONFIG=configs/spine/quickstart.yaml sh bin/run_56_spine_predict.sh ~/ct --show-identifiers
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/spine_predict.py "$@"
