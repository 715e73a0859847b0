"""A copy of bin/ in a folder of its own, with a stand-in for Python: what the stages would run, without running it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = sorted(path.name for path in (REPOSITORY / "bin").glob("run_*.sh"))

# Records its arguments as one line of $CALLS. Asked for an environment it puts a copy of itself there.
STAND_IN = """#!/bin/sh
case "$1" in
    -) cat >/dev/null; exit 0 ;;                # the question whether it satisfies requirements.txt
    -c) exec "$REAL_PYTHON" "$@" ;;
esac
line=
for argument; do line="$line|$argument"; done
printf '%s\\n' "${line#?}" >>"$CALLS"
case "$1 $2 $3" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip --version") ;;
    "-m uv "*) sleep "${UV_SECONDS:-0}"; exit "${UV_EXIT:-0}" ;;
    *) printf '%s' "${PRINT:-}"; if [ -n "${HANG:-}" ]; then exec sleep 60; fi; exit "${EXIT:-0}" ;;
esac
"""


class Tree:
    """A repository with the real bin/, small configurations and no Python program at all."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.calls_file = folder / "calls"
        self.python = folder / "stand in"
        shutil.copytree(REPOSITORY / "bin", self.root / "bin")
        self.write("requirements.txt")
        self.write("requirements.lock", "one==1\n")
        self.write("configs/hemorrhage/crop.yaml", "data_set: rsna2019  # the real one\nfolds: [0, 1, 2]\n")
        self.write("configs/hemorrhage/single.yaml", "data_set: rsna2019\nfolds: [all]\n")
        self.write("configs/hemorrhage/quickstart.yaml", "data_set: 'phantom'\nfolds:\n# five\n- 0\n- 1\n\n- 2\nx: 1\n")
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
            timeout=60,
        )

    def start(self, stage: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a stage as the leader of its own session, and do not wait for it."""
        command = ["sh", f"bin/{stage}"]
        return subprocess.Popen(command, cwd=self.root, env=self.environment(**variables), start_new_session=True)

    def wait_for_call(self, beginning: str, seconds: float = 30) -> None:
        """Wait until Python was asked for something."""
        deadline = time.monotonic() + seconds
        while not any(call.startswith(beginning) for call in self.calls()):
            assert time.monotonic() < deadline, f"{beginning} was never called"
            time.sleep(0.05)

    def calls(self) -> list[str]:
        """What Python was asked for, one line a call, arguments separated by bars; the root's path is left out."""
        if not self.calls_file.exists():
            return []
        return self.calls_file.read_text().replace(f"{self.root}/", "").replace(str(self.root), "ROOT").splitlines()

    def programs(self) -> list[str]:
        """The names of the programs that ran, with their folds."""
        found = []
        for call in self.calls():
            program, _, folds = call.partition("|--fold|")
            found.append(" ".join([Path(program.split("|")[0]).stem, *folds.partition("|--")[0].split("|")]).strip())
        return found
