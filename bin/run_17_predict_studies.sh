#!/bin/sh
# Predict your own studies or chest films with a run's trained models. For head CT this is the short name of
# run_71_predict_study.sh, which tells the rest; with a CONFIG of films or of neck CT it prints a line per film or study.
# In:  folders (any depth, any file names), zip archives, single DICOM files and DICOMDIRs, which stand for what they
#      list, any number, anywhere on the line;
#      trained models: those of CONFIG, else of the newest run (run_12 to run_14, or run_42 and run_44; of chest films
#      run_62 and run_64). Neck CT, with a CONFIG of the spine system, is answered as run_56 says
# Out: data/<data set>/slices.parquet, and in preds/<system>/<experiment>/<data set>/findings.csv a row per slice, in
#      studies.csv a row per study, refused.csv; with --labels also validation/validation.csv; and what run_71 leaves.
#      The data set is named after what is given, or by DATA_SET; another folder of the same name gets another name, and
#      files that are new in the same one are added. Of chest films: data/<data set>/films.parquet, and in
#      preds/<system>/<experiment>/<data set>/findings.csv a row per film, submission.csv the run lengths, pictures/ each
#      film with the mask's outline, refused.csv
#
#   sh bin/run_17_predict_studies.sh /mnt/ct/ward7
#   CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_17_predict_studies.sh ~/ct disc.zip slice.dcm
#   CONFIG=configs/pneumothorax/quickstart.yaml sh bin/run_17_predict_studies.sh /mnt/films
#   sh bin/run_17_predict_studies.sh /mnt/ct/ward7 --labels labels.csv      # external validation: scores with intervals
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

case $(system_of "${CONFIG:-}") in
    pneumothorax) program scripts/pneumothorax_predict_films.py "$@" ;;
    spine) program scripts/spine_predict.py "$@" ;;
    *) program scripts/predict_study.py "$@" ;;
esac
