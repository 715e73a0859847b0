#!/bin/sh
# Find where the neck is: train the localisers, on the slices of segmented studies, then give each study one box and one
# range of slices, by networks of its own fold, which have not seen it. Studies without labels are answered by networks
# of all studies, or, where `boxes.refit` is false, by the mean of the folds' networks. With `nested` it also trains
# localisers for each pair of folds: boxes that know nothing of fold k, for what is scored on it, are in without<k>/.
# In:  data/<data set>/studies.parquet, slices.parquet and volumes/ (run_51)
# Out: checkpoints/spine/<experiment>/boxes/localizer/fold<k>_seed<s>/, data/<data set>/boxes/<experiment>/rows.parquet
#
#   sh bin/run_52_spine_boxes.sh
#   GPUS=2 FOLDS="0 1" sh bin/run_52_spine_boxes.sh                # trains these; boxes come when all folds are there
#   sh bin/run_52_spine_boxes.sh --apply-to my_hospital           # boxes of other studies, which run_51 has prepared
#   CONFIG=configs/spine/quickstart.yaml sh bin/run_52_spine_boxes.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/spine_boxes.py "$@"
