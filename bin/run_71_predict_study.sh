#!/bin/sh
# Predict one study, or a folder of many, with a run's trained models, of any system: findings, and a page to look at.
# In:  folders (any depth, any file names), zip archives, single DICOM files and DICOMDIRs, any number, anywhere on the
#      line; the models of --run checkpoints/<system>/<experiment>, or of CONFIG, or else of the newest finished run,
#      which is then named. No competition file is needed
# Out: preds/<system>/<experiment>/studies/<name>/ (or --out): studies.csv with a row per study, refused.csv, and per
#      study <study>/findings.json (core/evaluation/findings.schema.json describes it), findings.csv with a row per
#      slice, and series_1.html ...: a page per series, which opens from disk. <name> is that of what is given, or
#      DATA_SET. A study that is finished is not done again. Of two runs (--run A --run B) both are shown, and their mean:
#      in preds/bags/<A>_and_<B>/studies/<name>/. With --show-identifiers also identified.csv: whose study each is
#
#   sh bin/run_71_predict_study.sh /mnt/ct/head
#   sh bin/run_71_predict_study.sh /mnt/ct/ward7 disc.zip --run checkpoints/hemorrhage/quickstart
#   sh bin/run_71_predict_study.sh /mnt/ct/head --run checkpoints/hemorrhage/crop --run checkpoints/stacking/se_resnext
#   sh bin/run_71_predict_study.sh /mnt/films --run checkpoints/pneumothorax/quickstart --out ~/films
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/predict_study.py "$@"
