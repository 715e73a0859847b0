#!/bin/sh
# The fast way: sequence models and a submission from packed embeddings; needs no image, no DICOM and no classifier.
# Unpacks the archive, then runs run_14 for every fold in it, and run_15.
# In:  (first argument) the archive that run_16 wrote: a file, or a URL, which is downloaded, resumed and checked; or the
#      embeddings published in 2019: a folder or a .tar.gz with emb*.npz and the four tables
# Out: data/<data set>/slices.parquet and embeddings/<experiment>/, preds/hemorrhage/<experiment>/submission.csv.gz
#
#   sh bin/run_31_fastprediction_only.sh /mnt/share/crop.tar
#   sh bin/run_31_fastprediction_only.sh https://example.org/crop.tar
#   sh bin/run_31_fastprediction_only.sh /mnt/share/resnext101v12fold1.tar.gz
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"
if [ -n "$HELP" ]; then program scripts/hemorrhage_import_embeddings.py; fi

if [ -z "${1:-}" ]; then fail "Which archive? sh bin/run_31_fastprediction_only.sh ARCHIVE"; fi
# which experiment, and which of its folds, the archive holds
settings=$(program scripts/hemorrhage_import_embeddings.py "$@")
shift
{
    read -r CONFIG
    read -r FOLDS
} <<HERE
$settings
HERE
export CONFIG FOLDS
OF_IMPORT="--sha256 --row-order --train-metadata --test-metadata --train-table --test-table"
stage_without "$OF_IMPORT" run_14_trainfull_sequential.sh "$@"
stage_without "$OF_IMPORT" run_15_bagged_submission.sh "$@"
