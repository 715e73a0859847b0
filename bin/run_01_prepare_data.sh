#!/bin/sh
# Prepare a data set: read every DICOM file once, write its header facts and statistics as a table, its windows as JPEG.
# In:  ARCHIVE, the competition's zip (default: data/raw/<data set>/rsna-intracranial-hemorrhage-detection.zip), or the
#      folder data/raw/<data set>/ with its unpacked content; or any folder of DICOM files (--images)
#      --labels: a table (CSV or Parquet) with a column image, SOPInstanceUID, SeriesInstanceUID or StudyInstanceUID and a
#      column for each class; blanks are unknown. --test names a test set; without it, all that is labelled has a fold
# Out: data/<data set>/slices.parquet, rejected.csv, images/
#      of one's own labels: the slices without one (unlabelled) and the rows without a file (labels_unmatched), as CSV
#
#   sh bin/run_01_prepare_data.sh
#   ARCHIVE=/mnt/rsna.zip sh bin/run_01_prepare_data.sh --jobs 16
#   DATA_SET=my_hospital sh bin/run_01_prepare_data.sh --images /mnt/ct --labels labels.csv
#   CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_01_prepare_data.sh     # makes the phantoms first
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/rsna2019_prepare.py ${ARCHIVE:+--archive "$ARCHIVE"} "$@"
