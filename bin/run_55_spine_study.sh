#!/bin/sh
# Train the spine system's study networks, one over the frozen slices of each network of stage 54, and predict the
# studies of each validation fold.
# In:  data/<data set>/studies.parquet and volumes/ (run_51), boxes/<experiment>/ (run_52),
#      checkpoints/spine/<experiment>/fracture/ (run_54)
# Out: checkpoints/spine/<experiment>/study/<model>/fold<k>_seed<s>/weights.safetensors and .json;
#      preds/spine/<experiment>/study/<model>/fold<k>_seed<s>/rows.parquet, for each fold but `all`
#
#   sh bin/run_55_spine_study.sh
#   GPUS=2 FOLDS="0 1" sh bin/run_55_spine_study.sh
#   CONFIG=configs/spine/quickstart.yaml sh bin/run_55_spine_study.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/spine_study.py "$@"
