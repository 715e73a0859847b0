#!/bin/sh
# Choose the thresholds and the area that turn probability maps into masks: every rule of a grid is scored on every
# out-of-fold film, and each fold is scored by the rule that is best on the others.
# In:  data/<data set>/maps/<experiment>/ (run_63), data/<data set>/films.parquet and masks/ (run_61)
# Out: preds/pneumothorax/<experiment>/thresholds/: rules.json, grid.csv, surface.png
#
#   sh bin/run_64_pneumothorax_thresholds.sh
#   CONFIG=configs/pneumothorax/seunet.yaml sh bin/run_64_pneumothorax_thresholds.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/pneumothorax_thresholds.py "$@"
