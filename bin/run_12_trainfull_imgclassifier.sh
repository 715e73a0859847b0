#!/bin/sh
# Train the image classifier, fold after fold; every epoch leaves a checkpoint.
# In:  data/<data set>/slices.parquet and images/ (run_01)
# Out: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors and .json, learned.parquet, output.json
#
#   sh bin/run_12_trainfull_imgclassifier.sh
#   GPUS=4 FOLDS="0 1 2" CONFIG=configs/hemorrhage/no_crop.yaml sh bin/run_12_trainfull_imgclassifier.sh
#   sh bin/run_12_trainfull_imgclassifier.sh --classifier.epochs 1
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/hemorrhage_train_classifier.py "$@"
