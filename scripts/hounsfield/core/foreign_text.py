"""Text from elsewhere, such as names of files, as it is shown: nothing in it reorders or overwrites what is beside it.

Sources: Unicode Standard Annex 9, 2 (directional formatting); ECMA-48 (control functions of terminals).
"""

from __future__ import annotations

import re

DIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
CONTROLS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{DIRECTIONAL}]")  # without tabulator and line feed


def one_line(text: object) -> str:
    """A name, such as a path, as it stands in a message: in one line, each of its controls as an escape of Python."""
    return re.sub("[\n\t\u2028\u2029]", lambda found: ascii(found[0])[1:-1], visible(str(text)))


def visible(text: str) -> str:
    """The same text, each of its controls as an escape of Python, but for tabulator and line feed."""
    return CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)
