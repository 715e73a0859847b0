#!/bin/sh
# Predict one study, or a folder of many, with a run's trained models, of any system: findings, and a page to look at.
# In:  folders (any depth, any file names), zip archives, single DICOM files and DICOMDIRs, any number, anywhere on the
#      line; the models of --run checkpoints/<system>/<experiment>, or of CONFIG, or else of the newest finished run,
#      which is then named. No competition file is needed
# Out: in preds/<system>/<experiment>/studies/<name>/ (or --out) studies.csv with a row per study, refused.csv, and for
#      each study <study>/findings.json (core/evaluation/findings.schema.json describes it), findings.csv with a row per
#      slice, and a page per series, series_1.html and on, which opens from disk (not with --no-pages). The name is that
#      of what is given, or DATA_SET. A study that is finished is not done again. Of two runs (--run A --run B) both are
#      shown, and their mean, in preds/bags/<A>_and_<B>/studies/<name>/: with equal weights, or those of run_46, and then
#      by its rule. With --show-identifiers, identified.csv says whose study each is; with --labels the run is scored on
#      the studies, as run_17 says: a table, and of films a folder of masks or a table of their run lengths
#
#   sh bin/run_71_predict_study.sh /mnt/ct/head
#   sh bin/run_71_predict_study.sh /mnt/ct/ward7 disc.zip --run checkpoints/hemorrhage/quickstart
#   sh bin/run_71_predict_study.sh /mnt/ct/head --run checkpoints/hemorrhage/crop --run checkpoints/stacking/se_resnext
#   sh bin/run_71_predict_study.sh /mnt/films --run checkpoints/pneumothorax/quickstart --out ~/films
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/predict_study.py "$@"
