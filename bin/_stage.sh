# shellcheck shell=sh
# What every stage shares; sourced as the first command of each, never run by itself:
#
#     . "$(dirname "$(readlink -f "$0")")/_stage.sh"
#
# It sets (a person may set all but ROOT and DATA beforehand):
#     ROOT        the repository, from any working directory; nothing here changes the working directory
#     WORK        the folder that holds data/, checkpoints/ and preds/ (default: ROOT)
#     CONFIG      the experiment's YAML (default: configs/hemorrhage/crop.yaml); looked for from here, then from ROOT
#     DATA_SET    the data set (default: the line `data_set:` of CONFIG); DATA is its folder, WORK/data/DATA_SET
#     EXPERIMENT  the stem of CONFIG, which names every output folder
#     FOLDS       the folds to loop over (default: the line `folds:` of CONFIG)
#     PYTHON      the interpreter: its own environment if that satisfies requirements.txt, else ROOT/.venv made with it
#     GPUS        processes on a node, one a GPU, or that many processes where there is no GPU (default: 1)
#     NODES       machines (default: 1); with more, also NODE_RANK (0, 1, ...), MASTER_ADDR and MASTER_PORT
#     RESTARTS    how often all processes are started again when one of them dies (default: 0; only with NODES=1)
# and offers `say`, `fail`, `need`, `program`, `launch` and `stage`. All of its own words go to stderr.

say() { printf '%s\n' "$*" >&2; }

# Wrong use or missing input ends a stage with 2.
fail() {
    say "$*"
    exit 2
}

# A path as a person standing here would type it.
shown() {
    here=$(pwd -P)
    printf '%s' "${1#"$here"/}"
}

# need FILE STAGE: the guard. FILE must be there, and STAGE is what makes it.
need() {
    if [ -n "$HELP" ] || [ -e "$1" ]; then return; fi
    fail "$(shown "$1") is missing; make it with: ${SETTINGS}sh $(shown "$ROOT/bin")/$2"
}

# The value of a top-level key of CONFIG; a list, on one line or with a dash a line, as words.
config_value() {
    awk -v key="$1:" '
        { sub(/(^|[[:space:]])#.*/, "") }
        /^[[:space:]]*$/ { next }
        inside && !/^[[:space:]]*-/ { exit }
        inside { sub(/-/, ""); value = value " " $0 }
        index($0, key) == 1 { value = substr($0, length(key) + 1); inside = 1 }
        END { gsub(/[][,"\047]/, " ", value); $0 = value; $1 = $1; print }
    ' "$CONFIG"
}

# Set what follows from CONFIG.
use_config() {
    case $CONFIG in
        /*) ;;
        *) if [ -e "$CONFIG" ]; then CONFIG="$(pwd -P)/$CONFIG"; else CONFIG="$ROOT/$CONFIG"; fi ;;
    esac
    DATA_SET=$GIVEN_DATA_SET FOLDS=$GIVEN_FOLDS
    if [ -e "$CONFIG" ]; then
        DATA_SET="${GIVEN_DATA_SET:-$(config_value data_set)}"
        FOLDS="${GIVEN_FOLDS:-$(config_value folds)}"
    elif [ -z "$HELP" ]; then
        fail "$(shown "$CONFIG") is missing; the experiments are the files configs/*/*.yaml of $ROOT"
    fi
    if [ -z "$HELP" ] && { [ -z "$DATA_SET" ] || [ -z "$FOLDS" ]; }; then
        fail "$(shown "$CONFIG"): the stages need its lines \`data_set: NAME\` and \`folds: [0, 1, 2]\`," \
            "or the variables DATA_SET and FOLDS"
    fi
    # shellcheck disable=SC2034  # DATA, EXPERIMENT: for the stages
    DATA="$WORK/data/$DATA_SET" EXPERIMENT=$(basename "$CONFIG" .yaml)
    SETTINGS= # what a remedy must repeat, because it is not the default
    if [ -n "$GIVEN_FOLDS" ]; then SETTINGS="FOLDS='$GIVEN_FOLDS' "; fi
    if [ -n "$GIVEN_DATA_SET" ]; then SETTINGS="DATA_SET='$GIVEN_DATA_SET' $SETTINGS"; fi
    if [ "$WORK" != "$ROOT" ]; then SETTINGS="WORK='$WORK' $SETTINGS"; fi
    if [ "$CONFIG" != "$ROOT/configs/hemorrhage/crop.yaml" ]; then SETTINGS="CONFIG='$(shown "$CONFIG")' $SETTINGS"; fi
}

# ---- running -------------------------------------------------------------------------------------------------------

# Run a command and wait for it; a request to stop is passed on to it, so that no training is left behind as an orphan.
supervise() {
    stopping=
    "$@" &
    child=$!
    trap 'stopping=yes; kill -TERM "$child" 2>/dev/null || :' HUP INT TERM
    status=0
    wait "$child" || status=$?
    while [ -n "$stopping" ] && kill -0 "$child" 2>/dev/null; do # the signal ended the wait, not the child
        status=0
        wait "$child" || status=$?
    done
    trap - HUP INT TERM
    if [ -n "$stopping" ] && [ "$status" -eq 0 ]; then status=143; fi # the rest of the stage is not to be run
    return "$status"
}

# program FILE ARGUMENTS: a Python program of this repository, in one process, on the first node only.
program() {
    program="$ROOT/$1"
    shift
    if [ -n "$HELP" ]; then
        printf '\n'
        "$PYTHON" "$program" --help
        exit
    fi
    if [ "${NODE_RANK:-0}" != 0 ]; then return; fi
    supervise "$PYTHON" "$program" "$@"
}

# launch FILE ARGUMENTS: a Python program on all devices: GPUS processes on each of NODES machines.
launch() {
    if [ "$GPUS-$NODES-$RESTARTS" = 1-1- ] || [ -n "$HELP" ]; then
        program "$@"
        return
    fi
    program="$ROOT/$1"
    shift
    cores=$(getconf _NPROCESSORS_ONLN) # shared out; torchrun itself gives each process a single thread
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$((cores > GPUS ? cores / GPUS : 1))}"
    if [ "$NODES" = 1 ]; then
        # else processes that are started again are given the addresses of those that died
        export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
        supervise "$PYTHON" -m torch.distributed.run --standalone --nproc-per-node "$GPUS" \
            ${RESTARTS:+--max-restarts "$RESTARTS"} "$program" "$@"
    else
        if [ -z "${MASTER_ADDR:-}" ]; then fail "NODES=$NODES needs MASTER_ADDR, the first machine's name"; fi
        supervise "$PYTHON" -m torch.distributed.run --nnodes "$NODES" --nproc-per-node "$GPUS" \
            --node-rank "${NODE_RANK:-0}" --master-addr "$MASTER_ADDR" --master-port "${MASTER_PORT:-29500}" \
            "$program" "$@"
    fi
}

# stage FILE ARGUMENTS: another stage, with the settings of this one.
stage() {
    stage="$ROOT/bin/$1"
    shift
    if [ -n "$HELP" ]; then
        printf '\nOptions are passed on to every stage named above; to see them: sh %s --help\n' "$(shown "$stage")"
        exit
    fi
    supervise sh "$stage" "$@"
}

# ---- the Python environment ----------------------------------------------------------------------------------------

# What the environment of an interpreter lacks of requirements.txt, as one line; status 0 if it lacks nothing.
# This must also run on the old Pythons that it refuses.
unmet() {
    "$1" - "$ROOT/requirements.txt" <<'EOF'
import sys
if sys.version_info < (3, 11):
    print("Python 3.11 or newer (it is %d.%d)" % sys.version_info[:2])
    sys.exit(1)
from importlib import metadata
try:
    from packaging.requirements import Requirement
except ImportError:
    print("all of requirements.txt")
    sys.exit(1)
lacking = []
for line in open(sys.argv[1], encoding="utf-8"):
    text = line.split("#")[0].strip()
    if not text:
        continue
    requirement = Requirement(text)
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        lacking.append(text)
    else:
        if not requirement.specifier.contains(version, prereleases=True):
            lacking.append("%s (it has %s)" % (text, version))
print(", ".join(lacking))
sys.exit(bool(lacking))
EOF
}

# Print the interpreter to make ROOT/.venv with.
find_python() {
    if [ -n "$1" ]; then
        set -- "$1"
    else
        set -- python3 python3.13 python3.12 python3.11
    fi
    found=
    for candidate; do
        version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            if ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                fail "$candidate cannot make environments: it has no ensurepip." \
                    "On Debian and Ubuntu: apt-get install python3-venv"
            fi
            printf '%s' "$candidate"
            return
        fi
        found="$found, and $candidate is $version"
    done
    fail "Python 3.11 or newer is needed${found:-, and $1 does not start}. Install one, or name one:" \
        "PYTHON=/path/to/python3.11 sh $(shown "$ROOT/bin")/${0##*/}"
}

# Wait until no other stage installs. The lock is on descriptor 9, and goes with the processes that hold it, however
# they end.
lock_environment() {
    exec 9>"$ROOT/.venv/lock"
    "$1" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.stderr.write("Waiting for another stage, which is installing the requirements\n")
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError:
    pass  # a file system without locks
'
}

environment_is_current() { [ -x "$own" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$lock_checksum" ]; }

# Bring ROOT/.venv to requirements.lock, unless its stamp says that it is there. The stamp holds the checksum of the
# lock file that was installed, or the word "installing": what an interrupted installation left is thrown away.
install_environment() {
    stamp="$ROOT/.venv/requirements.stamp"
    lock_checksum=$(cksum <"$ROOT/requirements.lock")
    if environment_is_current; then return; fi
    if [ "${PYTHON:-}" = "$own" ]; then PYTHON=; fi
    base=$(find_python "${PYTHON:-}")
    mkdir -p "$ROOT/.venv"
    lock_environment "$base"
    if ! environment_is_current; then # as it was before the lock was ours
        say "Installing requirements.lock into $(shown "$ROOT/.venv") (once; a minute the first time on a machine)"
        if [ "$(cat "$stamp" 2>/dev/null)" = installing ] || ! "$own" -m pip --version >/dev/null 2>&1; then
            echo installing >"$stamp"
            (cd "$ROOT/.venv" && rm -rf bin include lib lib64 share pyvenv.cfg)
            "$base" -m venv "$ROOT/.venv"
        fi
        echo installing >"$stamp"
        awk '/^[^ ]/ { its = /^uv==/ } its' "$ROOT/requirements.lock" >"$ROOT/.venv/uv.lock"
        "$own" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$ROOT/.venv/uv.lock"
        "$own" -m uv pip sync --quiet --compile-bytecode --python "$own" --require-hashes "$ROOT/requirements.lock"
        printf '%s\n' "$lock_checksum" >"$stamp.new"
        mv "$stamp.new" "$stamp"
    fi
    exec 9>&-
}

# Set PYTHON: the named or the active environment if it satisfies the requirements, else ROOT/.venv.
choose_python() {
    own="$ROOT/.venv/bin/python"
    active="${PYTHON:-${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}}"
    if [ -n "$active" ] && [ "$active" != "$own" ]; then
        if ! command -v "$active" >/dev/null; then fail "$active (PYTHON or VIRTUAL_ENV) is not a program"; fi
        if lacking=$(unmet "$active"); then
            PYTHON=$active
            return
        fi
        say "$active lacks ${lacking:-a working Python}; using $(shown "$ROOT/.venv") instead"
    fi
    install_environment
    PYTHON=$own
}

# ---- settings ------------------------------------------------------------------------------------------------------

ROOT=$(dirname "$(dirname "$(readlink -f "$0")")")

# Options that the stages themselves must know say the same as the variables.
setting() {
    case $1 in
        --config) CONFIG=$2 ;;
        --work) WORK=$2 ;;
        --apply-to | --data_set) DATA_SET=$2 ;;
        --fold) FOLDS="${FOLDS:+$FOLDS }$2" ;;
    esac
}
HELP=
option=
for argument; do
    case $argument in
        -h | --help) HELP=yes ;;
        --fold | --fold=*) FOLDS= ;;
    esac
    case $argument in
        --*=*) setting "${argument%%=*}" "${argument#*=}" && option= ;;
        --*) option=$argument ;;
        *)
            setting "$option" "$argument"
            if [ "$option" != --fold ]; then option=; fi # the one that takes several values
            ;;
    esac
done

WORK="${WORK:-$ROOT}"
CONFIG="${CONFIG:-configs/hemorrhage/crop.yaml}"
GIVEN_DATA_SET="${DATA_SET:-}" # what a person asked for, as against what CONFIG says
GIVEN_FOLDS="${FOLDS:-}"
GPUS="${GPUS:-1}"
NODES="${NODES:-1}"
RESTARTS="${RESTARTS:-}"
case $GPUS-$NODES in
    *[!0-9-]* | -* | *- | 0* | *-0*) fail "GPUS=$GPUS NODES=$NODES: both are whole numbers from 1" ;;
esac
case $RESTARTS in
    *[!0-9]*) fail "RESTARTS=$RESTARTS: a whole number is needed" ;;
    *[1-9]*) if [ "$NODES" != 1 ]; then fail "RESTARTS=$RESTARTS needs NODES=1; run the same command again instead"; fi ;;
esac
use_config

if [ -n "$HELP" ]; then sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$0"; fi

choose_python
export WORK CONFIG GPUS NODES RESTARTS PYTHON # for the stages that a stage runs
# the tools that prove something stand beside the tests
export PYTHONPATH="$ROOT/scripts:$ROOT/tests${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONUNBUFFERED=1         # lines reach a log file when they are written
export NO_ALBUMENTATIONS_UPDATE=1 # albumentations asks the network for a newer version otherwise
export THP_MEM_ALLOC_ENABLE="${THP_MEM_ALLOC_ENABLE:-1}" # torch in huge pages: small ones cost more than the arithmetic
