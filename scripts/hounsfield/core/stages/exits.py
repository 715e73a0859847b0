"""How a stage program ends: its exit code, and the one line that a person reads."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from hounsfield.core.errors import HounsfieldError
from hounsfield.core.foreign_text import one_line
from hounsfield.core.logs import as_typed_here, logger, set_up_logging
from hounsfield.core.stages.variables import refuse_dashes, refuse_empty

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
    """Run a stage program and end the process: exit code 0 done, 2 wrong use or missing input, 1 anything else.

    Its log lines go to stderr; of several processes only rank 0 says what goes well.
    """
    set_up_logging(rank=_rank())
    status = _flushed(_status(main))
    if main.__module__ == "__main__":  # else a test or another program goes on
        _leave(status)
    sys.exit(status)


def _status(main: Callable[[], None]) -> int:
    try:
        with _rank_0_reports():
            refuse_empty(sys.argv[1:])
            refuse_dashes(sys.argv[1:])
            main()
            sys.stdout.flush()
    except SystemExit as end:
        if isinstance(end.code, str):
            _say(end.code)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except HounsfieldError as error:
        _say(f"error: {error}")
        return error.exit_code
    except BrokenPipeError as error:
        if error.filename is not None:
            _say(f"error: {error.filename}: {error.strerror}")
            return 1
        return 128 + signal.SIGPIPE  # who read the output has seen enough
    except OSError as error:
        _say(f"error: {os_reason(error)}")
        return 2 if isinstance(error, FileNotFoundError | PermissionError) else 1
    except KeyboardInterrupt:
        logger.warning("interrupted; what was saved is intact, and the same command goes on from there")
        return 128 + signal.SIGINT
    return 0


def os_reason(error: OSError) -> str:
    """What the system refused, in a line: the file where there is one, and for its own limits what helps."""
    place = f"{one_line(error.filename)}: " if error.filename else ""
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


def _leave(status: int) -> NoReturn:
    """End the process as multiprocessing ends its own: threads and exit functions first, and no module is taken down.

    To take down torch and all that it brings costs 1.7 s of a core, and on a busy machine ten times that, which a
    cluster that asked for an end may not wait for.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    os._exit(_flushed(status))


def _flushed(status: int) -> int:
    """The status after all that was said is written; output that nobody reads any more is let go without a word."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            status = status or 128 + signal.SIGPIPE
    return status


@contextmanager
def _rank_0_reports() -> Iterator[None]:
    """Of several processes that fail alike only rank 0 reports it: torchrun ends the others while they wait here."""
    try:
        yield
    except Exception:
        if _rank():
            time.sleep(SECONDS_OF_RANK_0)
        raise


def _rank() -> int:
    """This process's number among those that torchrun has started."""
    return int(os.environ.get("RANK", "0")) if os.environ.get("TORCHELASTIC_RUN_ID") else 0
