#!/bin/sh
# Damage DICOM files in 5,000 seeded ways a transfer syntax, and count what the reader makes of them. Each is read in a
# process of its own with 4 GB and 20 s. Ends with 1 when the reader raises anything but a refusal.
# In:  nothing; phantom slices are drawn and encoded. With --files, the DICOM files of a folder.
# Out: preds/mutations/mutations.md, which is printed too, and mutations.json
#
#   sh bin/run_92_mutations.sh
#   sh bin/run_92_mutations.sh --count 200 --only jpeg_ls .4.70         # a codec by name, UID or the end of its UID
#   sh bin/run_92_mutations.sh --files /path/to/dicom --seed 7
#   sh bin/run_92_mutations.sh --replay .4.70 1234                      # one mutation again
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

export OMP_NUM_THREADS=1 # what is forked a hundred times a second should be small
program tests/fuzz/run.py ${WORK:+--work "$WORK"} "$@"
