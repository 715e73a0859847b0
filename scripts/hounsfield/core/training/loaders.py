"""Batches from loader processes, and what a person is told when one of these dies or fails."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from torch.utils.data import DataLoader

from hounsfield.core.errors import BadInput, HounsfieldError

BatchT = TypeVar("BatchT")
NAMED = 64  # slices named in a message


def delivered(loader: DataLoader[BatchT], slices_of: Callable[[int], Sequence[str]]) -> Iterator[BatchT]:
    """The loader's batches, its processes started at once.

    slices_of: the identifiers of the slices of a batch, by its number. Raises BadInput with them when the process that
    loads them died, and what a loader process raised as it would be raised here.
    """
    batches = iter(loader)
    if not loader.num_workers:
        return batches
    if threading.current_thread() is threading.main_thread():
        # torch raises from a signal handler, wherever the program then is; where a batch is asked for, its slices are
        # known, and a death is noticed there all the same
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return _deliver(batches, slices_of)


def _deliver(batches: Iterator[BatchT], slices_of: Callable[[int], Sequence[str]]) -> Iterator[BatchT]:
    number = 0
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except HounsfieldError as error:
            # torch puts the traceback of the loader process in front of the message
            raise type(error)(str(error).rpartition(f"{type(error).__name__}: ")[2].strip()) from error
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
            # a batch that a dead process had announced is asked for at a socket that went with it
            if isinstance(error, RuntimeError) and "exited unexpectedly" not in str(error):
                raise
            raise BadInput(
                "a process that loads images was killed or died; the next slices to come were "
                f"{', '.join(slices_of(number)[:NAMED])}. Was memory short, or /dev/shm full? Lower classifier.workers "
                "or classifier.batch_size where it is, and start the same command again; what was saved is intact"
            ) from error
        yield batch
        number += 1
