#!/bin/sh
# Do faults on purpose to the stages' own programs, on phantoms: kills at random moments, full disks, lost workers,
# damaged states, changed inputs, and more; and hold what comes of each against what must. One line a fault.
# In:  nothing; phantoms are drawn into a temporary folder (TMPDIR; 1 GB)
# Out: preds/faults/faults.md, which is printed too, and faults.json; exit code 1 when one does not hold
#
#   sh bin/run_91_faults.sh                                  # some twenty minutes on two cores; as root, also full disks
#   sh bin/run_91_faults.sh --only kills --stages 12 --kills 50 --seed 1
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program tests/faults/run.py ${WORK:+--work "$WORK"} "$@"
