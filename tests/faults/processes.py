"""Stage programs as processes of their own, which can be watched, killed with all their children, and waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

PATIENCE = 600.0  # seconds; a run that takes longer hangs, on a busy computer, too
POLL = 0.01  # seconds


class Ended(NamedTuple):
    """How a run ended: its exit status (negative: the signal; None: it hung and was killed), and what it said."""

    status: int | None
    said: str
    seconds: float

    @property
    def error(self) -> str:
        """The line that says what went wrong: the first that begins with `error:`, else the last one."""
        lines = self.said.strip().splitlines()
        return next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "")


class Running:
    """A program that runs in a session of its own; leaving the context kills whatever is left of it."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log, self._started = log, time.perf_counter()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def said(self) -> str:
        """What it has said so far, on both streams."""
        return self._log.read_text(errors="replace")

    def until(self, condition: Callable[[], object], timeout: float = PATIENCE) -> bool:
        """Wait until the condition holds; False when the program ends, or time is up, before."""
        end = time.perf_counter() + timeout
        while self._process.poll() is None and time.perf_counter() < end:
            if condition():
                return True
            time.sleep(POLL)
        return False

    def ends_within(self, seconds: float) -> bool:
        """Wait that long; True when the program ends by itself."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the program, as a scheduler does."""
        self._process.send_signal(signal.SIGTERM)

    def pause(self) -> None:
        """Let it sleep where it is (SIGSTOP); a kill ends it all the same."""
        self._process.send_signal(signal.SIGSTOP)
        self.until(self.paused)

    def paused(self) -> bool:
        """True while it sleeps, by `pause` or of itself."""
        facts = _facts(self.pid)
        return facts is not None and facts[0] == "T"

    def go_on(self) -> None:
        """Wake it."""
        self._process.send_signal(signal.SIGCONT)

    def until_paused(self, condition: Callable[[], object]) -> bool:
        """Wait until it sleeps of itself where the condition holds; elsewhere wake it. False when it ends before."""
        while self.until(self.paused):
            if condition():
                return True
            self.go_on()
        return False

    def kill(self) -> list[int]:
        """Kill it with everything that came of it, at once. Returns the processes that were still there afterwards."""
        family = [self.pid, *descendants(self.pid)]
        for pid in family:
            kill(pid)
        self._process.wait()
        return survivors(family[1:])

    def wait(self, timeout: float = PATIENCE) -> Ended:
        """Wait for the end; a run that is still there at `timeout` hangs, and is killed."""
        status: int | None = None
        if self.ends_within(timeout):
            status = self._process.returncode
        else:
            self.kill()
        return Ended(status, self.said, time.perf_counter() - self._started)


def kill(pid: int) -> None:
    """SIGKILL one process, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def survivors(pids: Sequence[int]) -> list[int]:
    """Those of some processes that do not end in a minute, which is long on a busy computer, too."""
    end = time.perf_counter() + 60
    left = [pid for pid in pids if _is_alive(pid)]
    while left and time.perf_counter() < end:
        time.sleep(0.02)
        left = [pid for pid in left if _is_alive(pid)]
    return left


def descendants(pid: int) -> list[int]:
    """All living children of a process, and theirs; the eldest first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (facts := _facts(int(entry.name))) is not None and facts[0] != "Z":
            children.setdefault(int(facts[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        own = sorted(children.get(todo.pop(0), []))
        found += own
        todo += own
    return found


def command_line(pid: int) -> str:
    """A process's command line; empty when it has gone."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _facts(pid: int) -> list[str] | None:
    """State and parent of a process, from what follows its name in /proc/<pid>/stat."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _is_alive(pid: int) -> bool:
    facts = _facts(pid)
    return facts is not None and facts[0] != "Z"
