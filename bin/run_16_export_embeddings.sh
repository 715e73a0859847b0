#!/bin/sh
# Pack one experiment's embeddings into a portable archive with checksums: all that run_31 needs, without any image.
# In:  data/<data set>/slices.parquet (run_01), data/<data set>/embeddings/<experiment>/ (run_13)
# Out: ARCHIVE (default: data/<data set>/embeddings/<experiment>.tar)
#
#   sh bin/run_16_export_embeddings.sh
#   ARCHIVE=/mnt/share/crop.tar CONFIG=configs/hemorrhage/crop.yaml sh bin/run_16_export_embeddings.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

need "$DATA/slices.parquet" run_01_prepare_data.sh
need "$DATA/embeddings/$EXPERIMENT" run_13_trainfull_embedding_extract.sh
# shellcheck disable=SC2086  # one word a fold
program scripts/hemorrhage_embedding_archive.py export --config "$CONFIG" --work "$WORK" --fold $FOLDS \
    --output "${ARCHIVE:-$DATA/embeddings/$EXPERIMENT.tar}" ${GIVEN_DATA_SET:+--apply-to "$GIVEN_DATA_SET"} "$@"
