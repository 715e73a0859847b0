#!/bin/sh
# Predict your own head CT with an experiment's trained models: run_01, run_13, run_14 and run_15 on a folder of DICOM.
# In:  the folder (first argument; any depth, any file names), CONFIG's trained models (run_12 to run_14)
# Out: data/<data set>/, preds/hemorrhage/<experiment>/<data set>/submission.csv.gz and findings.csv; the data set is
#      named after the folder, or by DATA_SET
#
#   sh bin/run_17_predict_studies.sh /mnt/ct/ward7
#   DATA_SET=ward7_june CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_17_predict_studies.sh ~/ct
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"
if [ -n "$HELP" ]; then stage run_01_prepare_data.sh; fi

if [ ! -d "${1:-}" ]; then fail "Which folder of DICOM files? sh bin/run_17_predict_studies.sh FOLDER"; fi
folder=$1
shift
if [ -z "${DATA_SET:-}" ]; then # named after the folder
    DATA_SET=$(basename "$(cd "$folder" && pwd -P)" | tr '[:upper:]' '[:lower:]' |
        LC_ALL=C sed -e 's/[^a-z0-9]\{1,\}/_/g' -e 's/^_//' -e 's/_$//')
fi
export DATA_SET

stage run_01_prepare_data.sh --images "$folder" "$@"
stage run_13_trainfull_embedding_extract.sh "$@"
stage run_14_trainfull_sequential.sh "$@"
stage run_15_bagged_submission.sh "$@"
