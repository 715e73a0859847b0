"""A copy of bin/ in a folder of its own, with a stand-in for Python: what the stages would run, without running it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from faults.processes import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = sorted(path.name for path in (REPOSITORY / "bin").glob("run_*.sh"))
CLASSIFIER = "run_12_trainfull_imgclassifier.sh"
SINGLE = "run_21_trainsngl_e2e.sh"
TRAINING = [f"hemorrhage_{name}" for name in ("train_classifier", "extract_embeddings", "train_sequence", "bag")]

# Records its arguments, and what of CONFIG, WORK, DATA_SET and FOLDS is set, as one line of $CALLS. Asked for an
# environment it puts a copy of itself there.
STAND_IN = """#!/bin/sh
if [ "$1" = -c ]; then exec "$REAL_PYTHON" "$@"; fi
line=${CONFIG:+|CONFIG=$CONFIG}${WORK:+|WORK=$WORK}${DATA_SET:+|DATA_SET=$DATA_SET}${FOLDS:+|FOLDS=$FOLDS}
for argument; do line="$line|$argument"; done
printf '%s\\n' "${line#?}" >>"$CALLS"
case "$1 $2 $3" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip "*) ;;
    "-m uv "*) sleep "${UV_SECONDS:-0}"; exit "${UV_EXIT:-0}" ;;
    *) printf '%s' "${PRINT:-}"; if [ -n "${HANG:-}" ]; then exec sleep 60; fi; exit "${EXIT:-0}" ;;
esac
"""


class Tree:
    """A repository with the real bin/ and no Python program at all."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.calls_file = folder / "calls"
        self.python = folder / "stand in"
        shutil.copytree(REPOSITORY / "bin", self.root / "bin")
        self.write("requirements.txt")
        self.write("requirements.lock", "one==1\n    --hash=sha256:0\nuv==2\n    --hash=sha256:1\n")
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)

    def write(self, name: str, content: str = "") -> Path:
        """A file below the root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def environment(self, **variables: str) -> dict[str, str]:
        """No variable of the person who runs the tests but PATH reaches a stage."""
        here = {"PATH": os.environ["PATH"], "CALLS": str(self.calls_file), "REAL_PYTHON": sys.executable}
        return {"PYTHON": str(self.python), **here, **variables}

    def run(
        self, stage: str, *arguments: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a stage as a person would, and wait for it."""
        return subprocess.run(
            ["sh", stage if "/" in stage else f"bin/{stage}", *arguments],
            cwd=cwd or self.root,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def start(self, stage: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a stage as the leader of its own session, and do not wait for it."""
        command = ["sh", f"bin/{stage}"]
        return subprocess.Popen(command, cwd=self.root, env=self.environment(**variables), start_new_session=True)

    def wait_for_call(self, beginning: str) -> None:
        """Wait until Python was asked for something."""
        deadline = time.monotonic() + PATIENCE
        while not any(call.startswith(beginning) for call in self.calls()):
            assert time.monotonic() < deadline, f"{beginning} was never called"
            time.sleep(0.05)

    def calls(self) -> list[str]:
        """What Python was asked for, one line a call, arguments separated by bars; the root's path is left out."""
        if not self.calls_file.exists():
            return []
        return self.calls_file.read_text().replace(f"{self.root}/", "").replace(str(self.root), "ROOT").splitlines()

    def programs(self) -> list[str]:
        """The names of the programs that ran."""
        return [Path(word).stem for call in self.calls() for word in call.split("|") if word.startswith("scripts/")]


def nobody_is_left(group: int) -> bool:
    """Wait until no process of a group is left: what ends with its leader may need a moment. False where one stays."""
    end = time.monotonic() + 30  # less than the stand-in hangs
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
