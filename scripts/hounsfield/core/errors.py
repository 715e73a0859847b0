"""What can go wrong, as types: each carries the exit code of the stage that it ends.

Messages give the file, the fact and the remedy, and never the text of a DICOM header.
"""

from __future__ import annotations


class HounsfieldError(Exception):
    """A failure that a person can act on; a stage prints its message without a traceback."""

    exit_code = 1


class WrongUse(HounsfieldError):
    """The command line or the configuration asks for something that cannot be done."""

    exit_code = 2


class MissingInput(HounsfieldError):
    """A file that an earlier stage (or the person) should have put there is not there."""

    exit_code = 2


class StaleOutput(HounsfieldError):
    """What lies in the output folder was made from other inputs; `--force` makes it anew."""

    exit_code = 2

    def __init__(self, message: str, settings: str = "") -> None:
        """settings: those of the output itself that differ, a line each and its folder on top; "" where none does."""
        super().__init__(message)
        self.settings = settings


class BadInput(HounsfieldError):
    """A file is there, and what it holds cannot be used."""


class UnusableSource(BadInput):
    """An archive or a list of files that a person has named cannot be opened or followed."""

    exit_code = 2


class WrongTable(BadInput):
    """A table that a person has made, of labels or folds, says or names what it cannot."""

    exit_code = 2


class Refused(Exception):
    """One DICOM file cannot be used: a reason code for the rejects table and one line of explanation.

    It costs the file and never the run, so it is not a HounsfieldError: the preparation catches it and counts it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
