#!/bin/sh
# Tell how much of each vertebra every slice shows: train the ratio networks, on windows of segmented studies, then let
# the networks of each fold, which have not seen its studies, answer for them. Times the study's labels, these are the
# pseudo-labels that the fracture networks learn from. With `nested` it also trains networks for each pair of folds: labels
# that know nothing of fold k, for what is scored on it, are in without<k>/.
# In:  data/<data set>/studies.parquet, slices.parquet and volumes/ (run_51), boxes/<experiment>/ (run_52)
# Out: checkpoints/spine/<experiment>/vertebrae/<model>/fold<k>_seed<s>/,
#      data/<data set>/pseudo_labels/<experiment>/rows.parquet
#
#   sh bin/run_53_spine_vertebrae.sh
#   GPUS=2 FOLDS="0 1" sh bin/run_53_spine_vertebrae.sh           # trains these; labels come when all folds are there
#   sh bin/run_53_spine_vertebrae.sh --list-backbones '*resnest*'
#   CONFIG=configs/spine/quickstart.yaml sh bin/run_53_spine_vertebrae.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/spine_vertebrae.py "$@"
