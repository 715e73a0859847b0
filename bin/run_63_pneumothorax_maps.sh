#!/bin/sh
# Predict probability maps: of each film held out by the best networks of its fold, of test films by those of all folds;
# or, where the configuration has a `blend`, average the maps of several experiments.
# In:  checkpoints/pneumothorax/<experiment>/fold<k>/part<p>/ (run_62), data/<data set>/films.parquet and films/ (run_61)
# Out: data/<data set>/maps/<experiment>/: maps.npy, one map per film (1 MB at 1024 x 1024), maps.parquet
#
#   sh bin/run_63_pneumothorax_maps.sh
#   GPUS=4 CONFIG=configs/pneumothorax/seunet.yaml sh bin/run_63_pneumothorax_maps.sh
#   CONFIG=configs/pneumothorax/blend_v1.yaml sh bin/run_63_pneumothorax_maps.sh
#   sh bin/run_63_pneumothorax_maps.sh --apply-to my_films             # other films, which run_61 has prepared
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/pneumothorax_maps.py "$@"
