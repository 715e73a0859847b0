#!/bin/sh
# Prepare chest films: read every DICOM file once, write its facts as a table, its picture as PNG, its mask as PNG.
# In:  ARCHIVE, the competition's zip or unpacked folder, of either stage (default: what lies in data/raw/<data set>/,
#      siim-acr-pneumothorax-segmentation.zip or the unpacked folders); or any folder of DICOM films (--images)
# Out: data/<data set>/films.parquet, rejected.csv, films/, masks/
#
#   sh bin/run_61_pneumothorax_prepare.sh
#   ARCHIVE=/mnt/siim sh bin/run_61_pneumothorax_prepare.sh --folds-table train_folds_5.csv
#   DATA_SET=my_films sh bin/run_61_pneumothorax_prepare.sh --images /mnt/films --labels masks/
#   CONFIG=configs/pneumothorax/quickstart.yaml sh bin/run_61_pneumothorax_prepare.sh     # makes the phantoms first
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/siim2019_prepare.py ${ARCHIVE:+--archive "$ARCHIVE"} "$@"
