#!/bin/sh
# Train the classifiers of the stacking system, fold after fold; every epoch leaves a checkpoint.
# In:  data/<data set>/stacking/<experiment>/slices.parquet, data/<data set>/hu/ (run_41)
# Out: checkpoints/stacking/<experiment>/<network>/fold<k>/epoch<e>.safetensors and .json
#
#   sh bin/run_42_stacking_train.sh
#   GPUS=4 FOLDS="0 1 2 3" sh bin/run_42_stacking_train.sh --network se_resnext50
#   CONFIG=configs/stacking/quickstart.yaml sh bin/run_42_stacking_train.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/stacking_train.py "$@"
