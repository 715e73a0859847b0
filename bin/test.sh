#!/bin/sh
# Everything that a change must pass: ruff, mypy, shellcheck, and the tests that are not marked slow, on up to four cores.
# With arguments, pytest alone, which takes them; paths start at the root.
#
#   sh bin/test.sh
#   sh bin/test.sh -m slow -n auto      # the rest, which CI runs too
#   sh bin/test.sh -m full_size         # networks at their published size: tens of minutes
#   sh bin/test.sh tests/core -k window
set -eu
. "$(dirname "$(readlink -f "$0")")/_stage.sh"
if [ -n "$HELP" ]; then exit; fi

cd "$ROOT" # the tools find their settings and the tests by it
if [ $# -gt 0 ]; then exec "$PYTHON" -m pytest -q "$@"; fi
"$PYTHON" -m ruff check .
"$PYTHON" -m mypy
tools=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
if [ -x "$tools/shellcheck" ]; then
    "$tools/shellcheck" --external-sources bin/*.sh bin/slurm/*.sbatch .ci/run
else
    say "shellcheck is left out: it has no wheel for $(uname -m). The stages' shell is not checked here"
fi
"$PYTHON" -m pytest -q -m "not slow and not full_size" -n auto --maxprocesses 4 --dist loadfile
