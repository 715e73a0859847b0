#!/bin/sh
# Prepare cervical spine CT: read every DICOM file once, join each study's slices into a volume of Hounsfield units.
# In:  ARCHIVE, the competition's zip or unpacked folder (default: what lies in data/raw/<data set>/,
#      rsna-2022-cervical-spine-fracture-detection.zip or the unpacked folders); or any CT series (--images)
# Out: data/<data set>/studies.parquet, slices.parquet, rejected.csv, volumes/
#
#   sh bin/run_51_spine_prepare.sh
#   ARCHIVE=/mnt/rsna2022 sh bin/run_51_spine_prepare.sh --folds-table train_folded_v01.csv
#   DATA_SET=my_necks sh bin/run_51_spine_prepare.sh --images /mnt/ct --labels fractures.csv --segmentations masks/
#   CONFIG=configs/spine/quickstart.yaml sh bin/run_51_spine_prepare.sh     # makes the phantoms first
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/rsna2022_prepare.py ${ARCHIVE:+--archive "$ARCHIVE"} "$@"
