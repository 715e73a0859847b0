#!/bin/sh
# Hand a submission to Kaggle, with Kaggle's own client: an experiment's, of any system, or a bag's.
# In:  the folder that holds submission.csv.gz (pneumothorax, spine: submission.csv), or the file (first argument);
#      without it preds/<system>/<experiment>/ of CONFIG (run_15, run_45, run_56, run_65), or foldall/ in it (run_21); the
#      client "kaggle", installed and logged in
# Out: a (late) submission to the competition rsna-intracranial-hemorrhage-detection; pneumothorax:
#      siim-acr-pneumothorax-segmentation; spine: rsna-2022-cervical-spine-fracture-detection, whose hidden test set is
#      reached from notebooks of Kaggle's alone
#
#   sh bin/submit.sh
#   MESSAGE="crop, 3 folds" CONFIG=configs/hemorrhage/crop.yaml sh bin/submit.sh
#   CONFIG=configs/stacking/se_resnext.yaml sh bin/submit.sh
#   sh bin/submit.sh preds/bags/hemorrhage_crop_and_stacking_se_resnext
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"
if [ -n "$HELP" ]; then exit; fi

competition=rsna-intracranial-hemorrhage-detection
config="${CONFIG:-configs/hemorrhage/crop.yaml}"
system=$(system_of "$config")
folder="${WORK:-$ROOT}/preds/$system/$(basename "$config" .yaml)"
case ${1:-} in
    '' | -*)
        if [ "${FOLDS:-}" = all ] || { [ ! -e "$folder/submission.csv.gz" ] && [ -e "$folder/foldall" ]; }; then
            folder="$folder/foldall"
        fi
        ;;
    *)
        folder=$1
        shift
        ;;
esac
place=$(readlink -f "$folder") || place=$folder # of a folder that is named by `.`, too
if [ -f "$place" ]; then place=$(dirname "$place"); fi
case $place in
    */foldall) experiment=$(basename "$(dirname "$place")") ;;
    *) experiment=$(basename "$place") ;;
esac
submission="$folder/submission.csv.gz"
case $place in
    *preds/pneumothorax/*)
        competition=siim-acr-pneumothorax-segmentation
        submission="$folder/submission.csv"
        ;;
    *preds/spine/*)
        competition=rsna-2022-cervical-spine-fracture-detection
        submission="$folder/submission.csv"
        ;;
esac
if [ -f "$folder" ]; then submission="$folder"; fi
if [ ! -e "$submission" ]; then
    settings=${CONFIG:+"CONFIG='$CONFIG' "}${WORK:+"WORK='$WORK' "}
    case $place in
        *preds/bags/*) maker=run_46_bag_of_systems.sh ;;
        *preds/pneumothorax/*) maker=run_65_pneumothorax_submit.sh ;;
        *preds/spine/*) maker=run_56_spine_predict.sh ;;
        *preds/stacking/*) maker=run_45_stacking_ensemble.sh ;;
        */foldall) maker=run_21_trainsngl_e2e.sh ;;
        *) maker=run_15_bagged_submission.sh ;;
    esac
    fail "$submission is missing; make it with: ${settings}sh $ROOT/bin/$maker"
fi
if ! command -v kaggle >/dev/null; then
    fail "Kaggle's client is missing. Install it outside this project's environment, for instance: pipx install kaggle"
fi
if ! answer=$(kaggle competitions submissions -c "$competition" 2>&1); then
    say "$answer"
    fail "Kaggle's client is not let in. Log in (kaggle auth login, or a token from your account's settings page," \
        "saved as the client says), and join the competition once: https://www.kaggle.com/c/$competition"
fi
kaggle competitions submit -c "$competition" -f "$submission" -m "${MESSAGE:-hounsfield $experiment}" "$@"
