#!/bin/sh
# Explain the sequence model on a run's own numbers: order, deltas, padding, shapes, and what each decision is worth.
# In:  data/<data set>/, its embeddings (run_13), the networks of run_14 and their predictions
# Out: preds/hemorrhage/<experiment>/walkthrough.html; the networks that are trained with something left out, once, in
#      checkpoints/hemorrhage/<experiment>/fold<k>/<ablation>_epoch<e>/
#
#   CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_82_walkthrough.sh      # a minute and a half: 20 small networks
#   sh bin/run_82_walkthrough.sh --without-ablations                            # seconds: nothing is trained
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

launch scripts/hemorrhage_walkthrough.py "$@"
