#!/bin/sh
# Measure speed and memory beside the published algorithm, written plainly (tests/reference/), in one run on this
# computer: preparation, sequence batches, extraction, the tables at full size, peak memory, the classifier,
# the search for thresholds, run lengths, windows of necks.
# In:  nothing; phantoms are drawn into a temporary folder (TMPDIR; 1 GB)
# Out: preds/benchmark/benchmark.md, which is printed too, and benchmark.json
#
#   sh bin/run_90_benchmark.sh                                        # four minutes on two cores
#   sh bin/run_90_benchmark.sh --quick                                # small sizes: half a minute, rough numbers
#   sh bin/run_90_benchmark.sh --only networks --backbone resnext101_32x8d --size 480 --batch 8
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program tests/benchmark/run.py ${WORK:+--work "$WORK"} "$@"
