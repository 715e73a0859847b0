#!/bin/sh
# Train the spine system's fracture sequence networks on pseudo-labels: for each fold one of each model, by its first
# seed; where `fracture.refit` says so also on every study, by each seed.
# In:  data/<data set>/studies.parquet and volumes/ (run_51), boxes/<experiment>/ (run_52), pseudo_labels/<experiment>/
#      (run_53)
# Out: checkpoints/spine/<experiment>/fracture/<model>/fold<k>_seed<s>/weights.safetensors and .json
#
#   sh bin/run_54_spine_fracture.sh
#   GPUS=2 FOLDS="0 1" sh bin/run_54_spine_fracture.sh
#   FOLDS=all sh bin/run_54_spine_fracture.sh
#   CONFIG=configs/spine/quickstart.yaml sh bin/run_54_spine_fracture.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/spine_fracture.py "$@"
