#!/bin/sh
# Train the image classifier, fold after fold; every epoch leaves a checkpoint.
# In:  data/<data set>/slices.parquet and images/ (run_01)
# Out: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors and .json
#
#   sh bin/run_12_trainfull_imgclassifier.sh
#   GPUS=4 FOLDS="0 1 2" CONFIG=configs/hemorrhage/no_crop.yaml sh bin/run_12_trainfull_imgclassifier.sh
#   sh bin/run_12_trainfull_imgclassifier.sh --classifier.epochs 1
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

need "$WORK/data/$(config_value data_set)/slices.parquet" run_01_prepare_data.sh
# shellcheck disable=SC2086  # one word a fold
launch scripts/hemorrhage_train_classifier.py --config "$CONFIG" --work "$WORK" --fold $FOLDS "$@"
