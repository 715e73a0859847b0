"""Numbers of things in words: 1 study, 2 studies."""

from __future__ import annotations

import re

NOUN = re.compile(r"\w+(?=$| (?:of|in|with|without|that|to|from|for)\b)")  # whose number counts, in a phrase
ENDINGS = (("series", "series"), ("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", ""))


def count_of(count: int, things: str) -> str:
    """How many there are. things: in the plural, such as `studies`, `test slices`, `films in the table`."""
    if count != 1:
        return f"{count} {things}"
    return f"1 {NOUN.sub(lambda noun: singular(noun[0]), things, count=1)}"


def singular(plural: str) -> str:
    """One of the things that an English plural names; other words stay as they are."""
    for ending, one in ENDINGS:
        if plural.endswith(ending):
            return plural.removesuffix(ending) + one
    return plural
