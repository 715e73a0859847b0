"""How exceptions of foreign code become refusals, and its messages are kept out of logs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import config

from hounsfield.core.errors import Refused

_LOUD_LOGGERS = tuple(logging.getLogger(name) for name in ("pydicom", "openjpeg", "_openjpeg", "jpeg_ls"))


@contextmanager
def foreign_code(what: str) -> Iterator[None]:
    """Run a library's code on foreign bytes: its messages kept quiet, its exceptions turned into a refusal.

    The libraries' warnings and log lines quote header values, which must not reach a log. They are held back only
    within this block. Not for use by several threads at once (the warning filters of a process are shared).
    """
    propagated = [logger.propagate for logger in _LOUD_LOGGERS]
    for logger in _LOUD_LOGGERS:
        logger.propagate = False
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    except Refused:
        raise
    # Whatever garbage makes a parser or a decoder raise costs this one file. Its cause is cut off: it may quote it.
    except Exception as error:  # noqa: BLE001
        if _comes_from_recursion(error):
            raise Refused("nested_sequences", "sequences are nested too deeply; export the file again") from None
        message = f"{what} failed ({type(error).__name__}); the file is damaged, export it again"
        raise Refused("unreadable", message) from None
    finally:
        for logger, propagate in zip(_LOUD_LOGGERS, propagated, strict=True):
            logger.propagate = propagate


def _comes_from_recursion(error: BaseException | None) -> bool:
    """Whether Python's recursion limit began it; pydicom turns that into an OSError, level by level."""
    while error is not None:
        if isinstance(error, RecursionError):
            return True
        error = error.__context__
    return False
