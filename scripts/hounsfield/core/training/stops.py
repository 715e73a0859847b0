"""A request to end (SIGTERM, Ctrl-C), which a long loop looks at between its steps, so that it can save what it has."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stopped(SystemExit):
    """Raised after the state was saved on request: exit code 143, as a shell reports a terminated process."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class StopRequest:
    """`received` is set when the process was asked to end."""

    def __init__(self) -> None:
        self.received = False

    def _receive(self, number: int, _: object) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt  # Ctrl-C again: at once
        self.received = True


_open: list[StopRequest] = []  # of the loops that run now


def asked_to_stop() -> bool:
    """True when a loop that runs now was asked to end: for what waits within its steps."""
    return any(request.received for request in _open)


@contextmanager
def stop_on_sigterm() -> Iterator[StopRequest]:
    """Turn SIGTERM and Ctrl-C into a request that the loop looks at between steps, for as long as the context lasts.

    A request that came after the last look stops the run when the context ends, before the next fold is started.
    """
    request = StopRequest()
    # a program in the background ignores Ctrl-C, and goes on doing so
    numbers = [one for one in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(one) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request._receive) for number in numbers}
    _open.append(request)
    try:
        yield request
    finally:
        _open.remove(request)
        for number, handler in before.items():
            signal.signal(number, handler)
    if request.received:
        raise Stopped
