#!/bin/sh
# Show a study that a run has answered, on a page per series that opens from disk: every slice with real window and level.
# In:  the folder of a predicted study (run_71), or with --run checkpoints/<system>/<experiment> the name of a study of the
#      run's own data set, which is shown with its labels and its out-of-fold answers; and the source files of its pixels
# Out: series_1.html ..., findings.json and findings.csv: in that folder, or in
#      preds/<system>/<experiment>/studies/<data set>/<study>/. What is there already is not made again (--force: it is)
#
#   sh bin/run_72_view_study.sh preds/hemorrhage/quickstart/studies/ct_head/4be1c07a92
#   sh bin/run_72_view_study.sh --run checkpoints/hemorrhage/quickstart ID_0a5f33c1d2
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/view_study.py "$@"
