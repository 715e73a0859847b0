#!/bin/sh
# The single-model way, end to end: one classifier and one sequence model on all training patients, then a submission.
# Runs run_01, run_12, run_13, run_14 and run_15 with the fold "all", which trains on every patient; so its scores only
# show that it learns, and estimate nothing.
# In:  data/raw/<data set>/, or what the data set was prepared from
# Out: checkpoints/hemorrhage/<experiment>/foldall/, preds/hemorrhage/<experiment>/foldall/submission.csv.gz
#
#   sh bin/run_21_trainsngl_e2e.sh
#   CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_21_trainsngl_e2e.sh
set -eu
export CONFIG="${CONFIG:-configs/hemorrhage/single.yaml}" FOLDS=all
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

stage_without --fold run_01_prepare_data.sh "$@"
stage_without "$OF_PREPARATION" run_12_trainfull_imgclassifier.sh "$@"
stage_without "$OF_PREPARATION" run_13_trainfull_embedding_extract.sh "$@"
stage_without "$OF_PREPARATION" run_14_trainfull_sequential.sh "$@"
stage_without "$OF_PREPARATION" run_15_bagged_submission.sh "$@"
