"""Pseudonyms for the identifiers of patients, studies, series and files."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.storage.files import write_bytes


class Naming(NamedTuple):
    """How identifiers become pseudonyms.

    key: of one's own data. Patient numbers are few enough to try them all, so a digest without a key would not hide
    them. given: what the pseudonyms of a competition look like, which needs no key, as it has given its own.
    """

    key: bytes = b""
    given: re.Pattern[str] | None = None

    def pseudonym(self, value: str) -> str:
        """A pseudonym that the competition has given as it is; any other identifier as a keyed digest of its text."""
        if self.given is not None and self.given.fullmatch(value):
            return value
        return f"ID_{self._digest(value).hex()[:12]}"

    def number(self, value: str) -> int:
        """A number of 48 bits that is the same for the same identifier; 0 for none."""
        return int.from_bytes(self._digest(value)[:6]) if value else 0

    def hidden_order(self, value: str, pseudonym: str) -> int:
        """48 bits of an identifier's digest without a key, under a mask that only who has the key can lift.

        What is sorted by them stands in the same order whatever the key, and a table that holds them tells nothing.
        """
        plain = hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()
        return self.order(int.from_bytes(plain[:6]), pseudonym)

    def order(self, hidden: int, pseudonym: str) -> int:
        """The bits behind `hidden_order`, or the other way round."""
        return hidden ^ int.from_bytes(self._digest(f"order of {pseudonym}")[:6])

    def image_id(self, file: SourceFile) -> str:
        """A file's identifier: the competition's file stem, or the digest of the file's path in the input.

        Never header text: what a header claims may be empty, the same in every file, or `../../x`.
        """
        return self.pseudonym(file.path if self.given is None else PureWindowsPath(file.name).stem)

    def _digest(self, value: str) -> bytes:
        return hmac.new(self.key, value.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()


def read_key(path: Path) -> bytes:
    """The key of a data set's pseudonyms, 32 bytes, made the first time.

    Whoever has it can find out which patient is behind a pseudonym: it stays with those who may know the patients.
    """
    if not path.exists():
        write_bytes(path, secrets.token_bytes(32))
    return path.read_bytes()
