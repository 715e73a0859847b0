"""How a stage program ends: its exit code, and the one line that a person reads."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from hounsfield.core.errors import HounsfieldError
from hounsfield.core.logs import as_typed_here, logger

SECONDS_OF_RANK_0 = 10  # in which it reports the error, and ends
# what a system's error without a file means, and what helps
REASONS = {
    errno.EMFILE: "too many open files; raise the limit (ulimit -n 4096), or lower the number of loader processes",
    errno.ENFILE: "too many open files on this machine; close other programs, or lower the number of loader processes",
    errno.ENOMEM: "not enough memory; lower the batch size or the number of loader processes",
    errno.EAGAIN: "no more processes or threads are allowed (ulimit -u); lower the number of loader processes",
    errno.ENOSPC: "no space left on a disk (a temporary folder, or /dev/shm); make room, or set TMPDIR",
}


def run(main: Callable[[], None]) -> NoReturn:
    """Run a stage program and end the process: exit code 0 done, 2 wrong use or missing input, 1 anything else."""
    try:
        with _rank_0_reports():
            main()
            sys.stdout.flush()
    except HounsfieldError as error:
        _say(f"error: {error}")
        _end(error.exit_code)
    except BrokenPipeError as error:
        if error.filename is not None:
            _say(f"error: {error.filename}: {error.strerror}")
            _end(1)
        _end(128 + signal.SIGPIPE)  # who read the output has seen enough
    except OSError as error:
        _say(f"error: {os_reason(error)}")
        _end(2 if isinstance(error, FileNotFoundError | PermissionError) else 1)
    except KeyboardInterrupt:
        logger.warning("interrupted; what was saved is intact, and the same command goes on from there")
        _end(128 + signal.SIGINT)
    _end(0)


def os_reason(error: OSError) -> str:
    """What the system refused, in a line: the file where there is one, and for its own limits what helps."""
    place = f"{error.filename}: " if error.filename else ""
    known = REASONS.get(error.errno or 0)
    return place + (known or error.strerror or str(error) or type(error).__name__)


def _say(line: str) -> None:
    """Print to stderr, whatever signs the locale lacks, and whether or not somebody reads."""
    line = as_typed_here(line)
    try:
        print(line, file=sys.stderr, flush=True)
    except UnicodeEncodeError:
        print(line.encode("ascii", "backslashreplace").decode(), file=sys.stderr, flush=True)
    except BrokenPipeError:
        pass


def _end(status: int) -> NoReturn:
    """End the process; output that nobody reads any more is let go without a word."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            status = status or 128 + signal.SIGPIPE
    sys.exit(status)


@contextmanager
def _rank_0_reports() -> Iterator[None]:
    """Of several processes that fail alike only rank 0 reports it: torchrun ends the others while they wait here."""
    try:
        yield
    except Exception:
        if os.environ.get("TORCHELASTIC_RUN_ID") and os.environ.get("RANK", "0") != "0":
            time.sleep(SECONDS_OF_RANK_0)
        raise
