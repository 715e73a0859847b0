#!/bin/sh
# Train the second level of the stacking system: LightGBM, CatBoost and XGBoost over each study's predictions, a model
# a class and fold; with early stopping on a fold beside the scored one (nested), and on the scored one as published.
# In:  preds/stacking/<experiment>/<network>/ (run_43), data/<data set>/stacking/<experiment>/slices.parquet (run_41)
# Out: checkpoints/stacking/<experiment>/<booster>/<stopping>/ (models, importance.csv),
#      preds/stacking/<experiment>/<booster>_<stopping>/predictions.parquet, output.json
#
#   sh bin/run_44_stacking_second_level.sh
#   sh bin/run_44_stacking_second_level.sh --booster lightgbm --stopping nested
#   sh bin/run_44_stacking_second_level.sh --apply-to my_hospital      # predicts other slices with the trained models
#   CONFIG=configs/stacking/quickstart.yaml sh bin/run_44_stacking_second_level.sh --skip-missing
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/stacking_second_level.py "$@"
