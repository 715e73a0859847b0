#!/bin/sh
# Second system (11th place): store the slices that show brain in Hounsfield units, without loss; make eight folds by
# the patients' rarest labels. Networks then read these images, and no DICOM.
# In:  data/<data set>/slices.parquet (run_01), and what that was made from: ARCHIVE, or the archive below data/raw/, or
#      the folder of your own files (--images)
# Out: data/<data set>/hu/; data/<data set>/stacking/<experiment>/slices.parquet, hu_rejected.csv
#
#   sh bin/run_41_stacking_data.sh
#   ARCHIVE=/mnt/rsna.zip sh bin/run_41_stacking_data.sh --jobs 16
#   sh bin/run_41_stacking_data.sh --apply-to my_hospital   # slices that trained models are to predict
#   CONFIG=configs/stacking/quickstart.yaml sh bin/run_41_stacking_data.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/stacking_data.py ${ARCHIVE:+--archive "$ARCHIVE"} "$@"
