#!/bin/sh
# Hand an experiment's submission to Kaggle, with Kaggle's own client.
# In:  preds/hemorrhage/<experiment>/submission.csv.gz (run_15), the client "kaggle", installed and logged in
# Out: a (late) submission to the competition rsna-intracranial-hemorrhage-detection
#
#   sh bin/submit.sh
#   MESSAGE="crop, 3 folds" CONFIG=configs/hemorrhage/crop.yaml sh bin/submit.sh
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"
if [ -n "$HELP" ]; then exit; fi

competition=rsna-intracranial-hemorrhage-detection
experiment=$(basename "${CONFIG:-configs/hemorrhage/crop.yaml}" .yaml)
submission="${WORK:-$ROOT}/preds/hemorrhage/$experiment/submission.csv.gz"
if [ ! -e "$submission" ]; then
    settings=${CONFIG:+"CONFIG='$CONFIG' "}${WORK:+"WORK='$WORK' "}
    fail "$submission is missing; make it with: ${settings}sh $ROOT/bin/run_15_bagged_submission.sh"
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
