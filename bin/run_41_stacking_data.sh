#!/bin/sh
# Second system (11th place): store the slices that show brain in Hounsfield units, without loss; make eight folds by
# the patients' rarest labels. Networks then read these images, and no DICOM.
# In:  data/<data set>/slices.parquet (run_01), and what that was made from: ARCHIVE, or the archive below data/raw/, or
#      the folder of your own files (--images)
# Out: data/<data set>/hu/, hu_rejected.csv, stacking/<experiment>/slices.parquet
#
#   sh bin/run_41_stacking_data.sh
#   ARCHIVE=/mnt/rsna.zip sh bin/run_41_stacking_data.sh --jobs 16
#   CONFIG=configs/stacking/quickstart.yaml sh bin/run_41_stacking_data.sh
set -eu
CONFIG="${CONFIG:-configs/stacking/se_resnext.yaml}"
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

SETTINGS="DATA_SET='$DATA_SET' " # for run_01, which knows the data set and not the experiments of this system
if [ "$WORK" != "$ROOT" ]; then SETTINGS="WORK='$WORK' $SETTINGS"; fi
need "$DATA/slices.parquet" run_01_prepare_data.sh
program scripts/stacking_data.py --config "$CONFIG" --work "$WORK" --data_set "$DATA_SET" \
    ${ARCHIVE:+--archive "$ARCHIVE"} "$@"
