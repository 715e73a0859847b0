#!/bin/sh
# Predict with the classifiers of the stacking system: each fold's own slices, and the test slices with every fold's.
# In:  checkpoints/stacking/<experiment>/ (run_42), data/<data set>/stacking/<experiment>/slices.parquet, hu/ (run_41)
# Out: preds/stacking/<experiment>/<network>/fold<k>_epoch<e>/predictions.parquet, output.json
#
#   sh bin/run_43_stacking_predict.sh
#   sh bin/run_43_stacking_predict.sh --apply-to my_hospital           # other slices, which run_41 has stored
#   sh bin/run_43_stacking_predict.sh --prediction.passes 1
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/stacking_predict.py "$@"
