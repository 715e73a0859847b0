#!/bin/sh
# Train the sequence model on the embeddings, fold after fold, and predict out-of-fold and test slices.
# In:  data/<data set>/slices.parquet (run_01), data/<data set>/embeddings/<experiment>/fold<k>/ (run_13)
# Out: checkpoints/hemorrhage/<experiment>/fold<k>/sequence_epoch<e>/, the network, and of it
#      preds/hemorrhage/<experiment>/fold<k>_epoch<e>/predictions.parquet, learned.parquet, output.json
#
#   sh bin/run_14_trainfull_sequential.sh
#   FOLDS="0 1" CONFIG=configs/hemorrhage/no_crop.yaml sh bin/run_14_trainfull_sequential.sh --embedding.epochs "[3, 4]"
#   DATA_SET=my_hospital sh bin/run_14_trainfull_sequential.sh       # predicts other slices with the trained models
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/hemorrhage_train_sequence.py "$@"
