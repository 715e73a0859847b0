#!/bin/sh
# Write the report of a finished run: one page that opens from disk, its figures, every number, and a model card.
# In:  preds/<system>/<experiment>/ (run_15, run_45, run_56 or run_65), and what it was made from; CONFIG or --run says
#      which
# Out: in that folder report.html, report.json, MODEL_CARD.md, and report/ with the figures as PNG and SVG
#
#   CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_81_report.sh
#   sh bin/run_81_report.sh --run preds/hemorrhage/quickstart
#   sh bin/run_81_report.sh --run preds/hemorrhage/quickstart --shifts    # robustness, too: noise, thicker slices, tilt...
# A report that is there is written again only when the run is another (--force: in any case).
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/report.py "$@"
