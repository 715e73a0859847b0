#!/bin/sh
# The whole hemorrhage pipeline on a small phantom data set, on any computer: set-up, phantoms, then the stages run_01
# (preparation), run_12 (classifiers), run_13 (embeddings), run_14 (sequences) and run_15 (submission), on five folds.
# In:  nothing
# Out: data/raw/phantom/, data/phantom/, checkpoints/hemorrhage/quickstart/, and in preds/hemorrhage/quickstart/
#      submission.csv.gz and scores.csv. What is there already is not made again.
#
#   sh bin/run_00_quickstart.sh
#   WORK=/tmp/trial sh bin/run_00_quickstart.sh        # keeps out of the repository's own folders
set -eu
export CONFIG="${CONFIG:-configs/hemorrhage/quickstart.yaml}"
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

began=$(date +%s)
stage_without --fold run_01_prepare_data.sh "$@"
stage_without "$OF_PREPARATION" run_12_trainfull_imgclassifier.sh "$@"
stage_without "$OF_PREPARATION" run_13_trainfull_embedding_extract.sh "$@"
stage_without "$OF_PREPARATION" run_14_trainfull_sequential.sh "$@"
stage_without "$OF_PREPARATION" run_15_bagged_submission.sh "$@"
say "Done in $(($(date +%s) - began)) s"
