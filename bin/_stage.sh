# shellcheck shell=sh
# What every stage shares; sourced as the first command of each, never run by itself:
#
#     . "$(dirname "$(readlink -f "$0")")/_stage.sh"
#
# It finds the Python environment and starts programs. What a person may set beforehand:
#     CONFIG, WORK, DATA_SET, FOLDS   read by the programs, which say the same of their options (--help)
#     PYTHON      an interpreter whose environment holds requirements.txt (default: ROOT/.venv, made here by uv)
#     GPUS        processes per node, one per GPU, or that many processes where there is no GPU (default: 1)
#     NODES       machines (default: 1); with more, also NODE_RANK (0, 1, ...), MASTER_ADDR and MASTER_PORT
#     RESTARTS    how often all processes are started again when one of them dies (default: 0; only with NODES=1)
# It offers `say`, `fail`, `program`, `launch`, `stage`, `stage_without` and `system_of`. All of its own words go to stderr.

say() { printf '%s\n' "$*" >&2; }

# Wrong use or missing input ends a stage with 2.
fail() {
    say "$*"
    exit 2
}

# ---- running -------------------------------------------------------------------------------------------------------

# Run a command and wait for it; a request to stop is passed on to it, so that no training is left behind as an orphan.
supervise() {
    stopping=
    child=
    trap 'stopping=yes; if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null || :; fi' HUP INT TERM
    "$@" &
    child=$!
    if [ -n "$stopping" ]; then kill -TERM "$child" 2>/dev/null || :; fi # it came while the command was started
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

# The same for torchrun, which ends with 1 when it was asked to stop and its processes have saved.
supervise_torchrun() {
    supervise "$PYTHON" -m torch.distributed.run "$@" || {
        status=$?
        if [ -n "$stopping" ]; then status=143; fi
        return "$status"
    }
}

# program FILE ARGUMENTS: a Python program of this repository, in one process, on the first node only.
program() {
    program="$ROOT/$1"
    shift
    if [ -n "$HELP" ]; then
        printf '\n'
        "$PYTHON" "$program" "$HELP"
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
        supervise_torchrun --standalone --nproc-per-node "$GPUS" \
            ${RESTARTS:+--max-restarts "$RESTARTS"} "$program" "$@"
    else
        if [ -z "${MASTER_ADDR:-}" ]; then fail "NODES=$NODES needs MASTER_ADDR, the first machine's name"; fi
        supervise_torchrun --nnodes "$NODES" --nproc-per-node "$GPUS" \
            --node-rank "${NODE_RANK:-0}" --master-addr "$MASTER_ADDR" --master-port "${MASTER_PORT:-29500}" \
            "$program" "$@"
    fi
}

# stage FILE ARGUMENTS: another stage, with the settings of this one.
stage() {
    stage="$ROOT/bin/$1"
    shift
    if [ -n "$HELP" ]; then
        printf '\nOptions are passed on to those stages named above that have them; to see them: sh %s --help\n' "$stage"
        exit
    fi
    supervise sh "$stage" "$@"
}

# Print the system of a configuration: that of its folder below configs/, or else the one that its keys are of.
system_of() {
    case $1 in
        *configs/stacking/*) echo stacking ;;
        *configs/pneumothorax/*) echo pneumothorax ;;
        *configs/spine/*) echo spine ;;
        *configs/hemorrhage/*) echo hemorrhage ;;
        *)
            file=$1
            [ -e "$file" ] || file=$ROOT/$file # as the programs look for it
            if has_key "$file" 'networks|second_level'; then echo stacking
            elif has_key "$file" 'network|maps|blend'; then echo pneumothorax
            elif has_key "$file" 'boxes|vertebrae|fracture|study'; then echo spine
            else echo hemorrhage; fi
            ;;
    esac
}

has_key() { [ -f "$1" ] && grep -Eq "^($2)[[:blank:]]*:" "$1"; }

# Options that the preparation alone has, for the stages that run others after it.
# shellcheck disable=SC2034
OF_PREPARATION="--archive --images --labels --test --classes --any-of --class-weights --soft-labels \
--labels-apply-to-slices --score-only --jobs --dask-scheduler"

# stage_without OPTIONS FILE ARGUMENTS: another stage, without options that it does not have, and without their values.
stage_without() {
    dropped=" $1 "
    file=$2
    shift 2
    left=$#
    dropping=
    while [ "$left" -gt 0 ]; do # each word goes from the front to the back, or nowhere
        word=$1
        shift
        left=$((left - 1))
        case $word in
            --*)
                dropping=
                case $dropped in *" ${word%%=*} "*) dropping=yes ;; esac
                ;;
        esac
        if [ -z "$dropping" ]; then set -- "$@" "$word"; fi
    done
    stage "$file" "$@"
}

check_devices() {
    case $GPUS-$NODES in
        *[!0-9-]* | -* | *- | 0* | *-0* | *[0-9][0-9][0-9][0-9]*)
            fail "GPUS=$GPUS NODES=$NODES: both are whole numbers from 1 to 999" ;;
    esac
    if [ "$NODES" = 1 ] && [ "${NODE_RANK:-0}" != 0 ]; then fail "NODE_RANK=$NODE_RANK needs NODES, the number of machines"; fi
    case $RESTARTS in
        *[!0-9]*) fail "RESTARTS=$RESTARTS: a whole number is needed" ;;
        *[1-9]*) if [ "$NODES" != 1 ]; then fail "RESTARTS=$RESTARTS needs NODES=1; run the same command again instead"; fi ;;
    esac
}

# Loader processes meet at sockets below TMPDIR, whose path may have a hundred bytes; with a longer one they would hang.
short_temporary_folder() {
    folder=${TMPDIR:-}
    if [ "${#folder}" -le 60 ]; then return; fi
    if [ ! -w /tmp ]; then fail "TMPDIR=$folder is too long for a socket; set it to a folder of at most 60 characters"; fi
    say "TMPDIR=$folder is too long for a socket; /tmp is used instead"
    export TMPDIR=/tmp
}

# ---- the Python environment ----------------------------------------------------------------------------------------

# Set PYTHON: the named interpreter, or ROOT/.venv.
choose_python() {
    own="$ROOT/.venv/bin/python"
    if [ -z "${PYTHON:-}" ] || [ "$PYTHON" = "$own" ]; then
        install_environment
        PYTHON=$own
        return
    fi
    if ! command -v "$PYTHON" >/dev/null; then fail "PYTHON=$PYTHON is not a program"; fi
    missing=$("$PYTHON" -c '
import sys
from importlib.util import find_spec
if sys.version_info < (3, 11): sys.exit("Python 3.11 or newer (it is %d.%d)" % sys.version_info[:2])
if sys.version_info >= (3, 14) and find_spec("jpeg_ls") is None: sys.exit("pyjpegls, of which Python 3.14 has no wheel")
needed = ("torch", "torchvision", "timm", "pydicom", "cv2", "pyarrow", "jsonargparse", "safetensors", "albumentations")
sys.exit(", ".join(name for name in needed if find_spec(name) is None) or None)' 2>&1) ||
        fail "PYTHON=$PYTHON lacks $missing; install requirements.txt there, or leave out PYTHON"
}

# Bring ROOT/.venv to requirements.lock, unless its stamp holds that file's checksum; while installing there is no stamp.
install_environment() {
    stamp="$ROOT/.venv/requirements.stamp"
    checksum=$(cksum <"$ROOT/requirements.lock")
    if [ -x "$own" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$checksum" ]; then return; fi
    base=$(find_python)
    mkdir -p "$ROOT/.venv"
    exec 9>"$ROOT/.venv/lock" # held by descriptor 9, and so gone with its processes, however they end
    "$base" -c 'import fcntl
try: fcntl.flock(9, fcntl.LOCK_EX)
except OSError: pass  # a file system without locks'
    if [ "$(cat "$stamp" 2>/dev/null)" != "$checksum" ]; then # as it was before the lock was ours
        say "Installing requirements.lock into $ROOT/.venv (once; a minute the first time on a machine)"
        installed=$(cat "$stamp" 2>/dev/null) || :
        rm -f "$stamp"
        if [ -z "$installed" ]; then # the first one, or what an interrupted one left, which is thrown away
            (cd "$ROOT/.venv" && rm -rf bin include lib lib64 share pyvenv.cfg)
            "$base" -m venv "$ROOT/.venv"
            awk '/^[^ ]/ { its = /^uv==/ } its' "$ROOT/requirements.lock" >"$ROOT/.venv/uv.lock"
            "$own" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$ROOT/.venv/uv.lock"
        fi
        "$own" -m uv pip sync --quiet --compile-bytecode --python "$own" --require-hashes "$ROOT/requirements.lock"
        printf '%s\n' "$checksum" >"$stamp"
    fi
    exec 9>&-
}

# Print the interpreter to make ROOT/.venv with.
find_python() {
    too_new=
    for candidate in python3 python3.13 python3.12 python3.11; do
        status=0
        "$candidate" -c 'import sys
sys.exit(1 if sys.version_info < (3, 11) else 3 if sys.version_info >= (3, 14) else 0)' 2>/dev/null || status=$?
        if [ "$status" -eq 3 ]; then too_new=" ($candidate is too new: pyjpegls, which decodes JPEG-LS, has no wheel for it)"; fi
        if [ "$status" -eq 0 ]; then
            if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                printf '%s' "$candidate"
                return
            fi
            fail "$candidate has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv"
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed as python3, python3.13, python3.12 or python3.11$too_new"
}

# ---- settings ------------------------------------------------------------------------------------------------------

ROOT=$(dirname "$(dirname "$(readlink -f "$0")")")
HELP=
for argument; do
    case $argument in
        -h | --help) HELP=--help ;;
        --help-all) HELP=--help-all ;;
    esac
done
GPUS="${GPUS:-1}"
NODES="${NODES:-1}"
RESTARTS="${RESTARTS:-}"
# What another launcher or module system left is not for the programs: torchrun tells each of them its own place.
unset PYTHONSAFEPATH PYTHONHOME RANK LOCAL_RANK GROUP_RANK ROLE_RANK WORLD_SIZE LOCAL_WORLD_SIZE GROUP_WORLD_SIZE \
    ROLE_WORLD_SIZE TORCHELASTIC_RUN_ID TORCHELASTIC_RESTART_COUNT TORCHELASTIC_MAX_RESTARTS
short_temporary_folder
check_devices
if [ -n "$HELP" ]; then sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$0"; fi
choose_python
export PYTHON                     # for the stages that a stage runs
export PYTHONPATH="$ROOT/scripts:$ROOT/tests${PYTHONPATH:+:$PYTHONPATH}" # tools that prove something lie beside the tests
export PYTHONUNBUFFERED=1         # lines reach a log file when they are written
export NO_ALBUMENTATIONS_UPDATE=1 # albumentations asks the network for a newer version otherwise
export THP_MEM_ALLOC_ENABLE="${THP_MEM_ALLOC_ENABLE:-1}" # torch in huge pages: small ones cost more than the arithmetic
