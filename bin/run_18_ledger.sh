#!/bin/sh
# Print what a run rests on, and which of its models have seen which patients.
# In:  the folder of a run in preds or checkpoints (first argument), and the records of all that it was made from
# Out: two tables on stdout
#
#   sh bin/run_18_ledger.sh preds/hemorrhage/quickstart
#   sh bin/run_18_ledger.sh preds/hemorrhage/quickstart --patient ID_0123456789ab
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/ledger.py "$@"
