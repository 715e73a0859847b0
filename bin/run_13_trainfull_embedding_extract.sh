#!/bin/sh
# Extract the embeddings of every slice, for every fold, every epoch's checkpoint and every view.
# In:  data/<data set>/slices.parquet and images/ (run_01), checkpoints/hemorrhage/<experiment>/fold<k>/ (run_12)
# Out: data/<data set>/embeddings/<experiment>/fold<k>/epoch<e>/<view>.npy, rows.parquet, manifest.json
#
#   sh bin/run_13_trainfull_embedding_extract.sh
#   GPUS=4 FOLDS="0 1 2" CONFIG=configs/hemorrhage/no_crop.yaml sh bin/run_13_trainfull_embedding_extract.sh
#   DATA_SET=my_hospital sh bin/run_13_trainfull_embedding_extract.sh       # other slices, this experiment's models
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

need "$DATA/slices.parquet" run_01_prepare_data.sh
for fold in $FOLDS; do
    need "$WORK/checkpoints/hemorrhage/$EXPERIMENT/fold$fold" run_12_trainfull_imgclassifier.sh
done
# shellcheck disable=SC2086  # one word a fold
launch scripts/hemorrhage_extract_embeddings.py --config "$CONFIG" --work "$WORK" --fold $FOLDS \
    ${GIVEN_DATA_SET:+--apply-to "$GIVEN_DATA_SET"} "$@"
