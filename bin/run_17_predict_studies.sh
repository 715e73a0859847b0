#!/bin/sh
# Predict your own head CT, or chest films, with an experiment's trained models: from DICOM to a line per study or film.
# In:  folders (any depth, any file names), zip archives, single DICOM files and DICOMDIRs, which stand for what they
#      list, any number, anywhere on the line;
#      CONFIG's trained models (run_12 to run_14, or run_42 and run_44; of chest films run_62 and run_64)
# Out: data/<data set>/slices.parquet, and in preds/<system>/<experiment>/<data set>/findings.csv a row per slice, in
#      studies.csv a row per study, refused.csv; with --labels also validation/validation.csv. The data set is named
#      after what is given, or by DATA_SET; another folder of the same name gets another name, and files that are new
#      in the same one are added. Of chest films: data/<data set>/films.parquet, and in
#      preds/<system>/<experiment>/<data set>/findings.csv a row per film, submission.csv the run lengths, pictures/ each
#      film with the mask's outline, refused.csv
#
#   sh bin/run_17_predict_studies.sh /mnt/ct/ward7
#   CONFIG=configs/hemorrhage/quickstart.yaml sh bin/run_17_predict_studies.sh ~/ct disc.zip slice.dcm
#   CONFIG=configs/pneumothorax/quickstart.yaml sh bin/run_17_predict_studies.sh /mnt/films
#   sh bin/run_17_predict_studies.sh /mnt/ct/ward7 --labels labels.csv      # external validation: scores with intervals
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"

config=${CONFIG:-}
[ -e "$config" ] || config=$ROOT/$config # as the programs look for it

# A configuration that lies outside configs/ is known by the keys that only one system has.
has_key() { [ -f "$config" ] && grep -Eq "^($1)[[:blank:]]*:" "$config"; }

case $config in
    *configs/stacking/*) system=stacking ;;
    *configs/pneumothorax/*) system=pneumothorax ;;
    *configs/hemorrhage/*) system=hemorrhage ;;
    *) if has_key 'networks|second_level'; then system=stacking
        elif has_key 'network|maps|blend'; then system=pneumothorax
        else system=hemorrhage; fi ;;
esac
case $system in
    stacking) program scripts/stacking_predict_studies.py "$@" ;;
    pneumothorax) program scripts/pneumothorax_predict_films.py "$@" ;;
    *) program scripts/hemorrhage_predict_studies.py "$@" ;;
esac
