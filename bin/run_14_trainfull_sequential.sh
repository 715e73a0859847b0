#!/bin/sh
# Train the sequence model on the embeddings, fold after fold, and predict out-of-fold and test slices.
# In:  data/<data set>/slices.parquet (run_01), data/<data set>/embeddings/<experiment>/fold<k>/ (run_13)
# Out: preds/hemorrhage/<experiment>/fold<k>_epoch<e>.parquet and manifest
#
#   sh bin/run_14_trainfull_sequential.sh
#   FOLDS="0 1" CONFIG=configs/hemorrhage/no_crop.yaml sh bin/run_14_trainfull_sequential.sh --embedding.epochs "[3, 4]"
#   DATA_SET=my_hospital sh bin/run_14_trainfull_sequential.sh       # predicts other slices with the trained models
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

for fold in $FOLDS; do
    need "$DATA/embeddings/$EXPERIMENT/fold$fold" run_13_trainfull_embedding_extract.sh
done
# shellcheck disable=SC2086  # one word a fold
launch scripts/hemorrhage_train_sequence.py --config "$CONFIG" --work "$WORK" --fold $FOLDS \
    ${GIVEN_DATA_SET:+--apply-to "$GIVEN_DATA_SET"} "$@"
