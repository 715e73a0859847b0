#!/bin/sh
# Pack one experiment's embeddings into a portable archive with checksums: all that run_31 needs, without any image.
# In:  data/<data set>/slices.parquet (run_01), data/<data set>/embeddings/<experiment>/ (run_13)
# Out: ARCHIVE (default: data/<data set>/embeddings/<experiment>.tar)
#
#   sh bin/run_16_export_embeddings.sh
#   ARCHIVE=/mnt/share/crop.tar CONFIG=configs/hemorrhage/crop.yaml sh bin/run_16_export_embeddings.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/hemorrhage_export_embeddings.py ${ARCHIVE:+--output "$ARCHIVE"} "$@"
