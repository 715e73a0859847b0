#!/bin/sh
# Check on a GPU that all systems train there as on the CPU, in every precision, after a kill, compiled, and in several
# processes; and measure the classifier at 480 px beside the published kind of loop, and the other networks.
# In:  nothing; what is trained on is drawn into a temporary folder (TMPDIR; 2 GB). Nothing is downloaded.
# Out: preds/gpu_checks/gpu_checks.md, which is printed too, and gpu_checks.json; exit code 1 when a line falls short
#
#   sh bin/run_93_gpu_checks.sh                                  # under nine minutes on one H100 (6 min 23 s on an H200)
#   sh bin/run_93_gpu_checks.sh --quick --only precision resume
#   sh bin/run_93_gpu_checks.sh --python /opt/conda/bin/python   # a machine that brings its own torch
#   sh bin/run_93_gpu_checks.sh --device cpu                     # the same paths at tiny sizes: no figure of a GPU
set -eu
before=
for argument; do # --python PATH is this shell's, like the variable PYTHON; the rest is the program's
    shift
    case $before,$argument in
        --python,*) PYTHON=$argument ;;
        *,--python) ;;
        *,--python=*) PYTHON=${argument#--python=} ;;
        *) set -- "$@" "$argument" ;;
    esac
    before=$argument
done
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program tests/gpu_checks/run.py ${WORK:+--work "$WORK"} "$@"
