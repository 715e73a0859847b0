"""Numbers of things in words: 1 study, 2 studies."""

from __future__ import annotations

import re

NOUN = re.compile(r"\w+(?=$| (?:of|in|with|within|without|that|to|from|for)\b)")  # whose number counts, in a phrase
VERBS = {"are": "is", "have": "has", "were": "was", "do": "does", "fit": "fits", "hold": "holds", "lie": "lies",
         "name": "names", "occur": "occurs", "contradict": "contradicts", "cannot": "cannot"}  # fmt: skip
CLAUSE = re.compile(rf" ({'|'.join(VERBS)})\b")  # what the things do or are
ENDINGS = (("series", "series"), ("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", ""))


def count_of(count: int, things: str) -> str:
    """How many there are. things: in the plural, such as `films in the table`, `rows hold no probability`."""
    if count != 1:
        return f"{count} {things}"
    noun, *clause = CLAUSE.split(things, maxsplit=1)
    one = NOUN.sub(lambda noun: singular(noun[0]), noun, count=1)
    return f"1 {one} {VERBS[clause[0]]}{clause[1]}" if clause else f"1 {one}"


def singular(plural: str) -> str:
    """One of the things that an English plural names; other words stay as they are."""
    for ending, one in ENDINGS:
        if plural.endswith(ending):
            return plural.removesuffix(ending) + one
    return plural
