#!/bin/sh
# Extract the embeddings of every slice, for every fold, every epoch's checkpoint and every view.
# In:  data/<data set>/slices.parquet and images/ (run_01), checkpoints/hemorrhage/<experiment>/fold<k>/ (run_12)
# Out: data/<data set>/embeddings/<experiment>/fold<k>/epoch<e>/<view>.npy, logits.npy, rows.parquet,
#      learned.parquet, output.json
#
#   sh bin/run_13_trainfull_embedding_extract.sh
#   GPUS=4 FOLDS="0 1 2" CONFIG=configs/hemorrhage/no_crop.yaml sh bin/run_13_trainfull_embedding_extract.sh
#   DATA_SET=my_hospital sh bin/run_13_trainfull_embedding_extract.sh       # other slices, this experiment's models
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/hemorrhage_extract_embeddings.py "$@"
