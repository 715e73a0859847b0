#!/bin/sh
# Train the pneumothorax system's network, fold after fold, part after part; the best epochs of each part are kept.
# In:  data/<data set>/films.parquet, films/ and masks/ (run_61)
# Out: checkpoints/pneumothorax/<experiment>/fold<k>/part<p>/epoch<e>.safetensors and .json, top.json
#
#   sh bin/run_62_pneumothorax_train.sh
#   GPUS=2 FOLDS="0 1" CONFIG=configs/pneumothorax/seunet.yaml sh bin/run_62_pneumothorax_train.sh --part 0
#   CONFIG=configs/pneumothorax/quickstart.yaml sh bin/run_62_pneumothorax_train.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/pneumothorax_train.py "$@"
