#!/bin/sh
# Predict your own studies: the short name of run_71_predict_study.sh, which tells the rest.
# In:  folders (any depth, any file names), zip archives, single DICOM files and DICOMDIRs, which stand for what they
#      list, any number, anywhere on the line; the trained models of CONFIG, or of --run, or else of the newest run
# Out: what run_71 leaves, and what it is made from: of head CT data/<data set>/slices.parquet, and in
#      preds/<system>/<experiment>/<data set>/ findings.csv a row per slice, studies.csv a row per study, refused.csv, and
#      with --labels also validation/validation.csv.
#      Of chest films: data/<data set>/films.parquet, and in preds/<system>/<experiment>/<data set>/findings.csv a row
#      per film, submission.csv the run lengths, pictures/ each film with the mask's outline, refused.csv. Of necks:
#      data/<data set>/studies.parquet, and in preds/<system>/<experiment>/studies/<data set>/findings.csv a row per
#      study, refused.csv, calibration.json. Scores by --labels lie beside the answers for films and necks, too.
#      The data set is named after what is given, or by DATA_SET; another folder of the same name gets another name, and
#      files that are new in the same one are added
#
#   sh bin/run_17_predict_studies.sh /mnt/ct/ward7
#   CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_17_predict_studies.sh ~/ct disc.zip slice.dcm
#   CONFIG=configs/pneumothorax/quickstart.yaml sh bin/run_17_predict_studies.sh /mnt/films
#   sh bin/run_17_predict_studies.sh /mnt/ct/ward7 --labels labels.csv      # external validation: scores with intervals
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

program scripts/predict_study.py "$@"
