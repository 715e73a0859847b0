"""A request to end (SIGTERM), which a long loop looks at between its steps, so that it can save what it has."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stopped(SystemExit):
    """Raised after the state was saved on SIGTERM: exit code 143, as a shell reports a terminated process."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class StopRequest:
    """`received` is set when the process was asked to end."""

    def __init__(self) -> None:
        self.received = False

    def _receive(self, *_: object) -> None:
        self.received = True


@contextmanager
def stop_on_sigterm() -> Iterator[StopRequest]:
    """Turn SIGTERM into a request that the loop looks at between steps, for as long as the context lasts.

    A request that came after the last look stops the run when the context ends, before the next fold is started.
    """
    request = StopRequest()
    before = signal.signal(signal.SIGTERM, request._receive)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
    if request.received:
        raise Stopped
