"""Reads the tables and the text of a page back, as a person sees them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

UNSEEN = ("style", "script", "title")


class PageText(HTMLParser):
    """tables: rows of cells by caption, the head first. text: all that is shown, blanks made one."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._parts: list[str] = []
        self._caption = ""
        self.feed(html)
        self.text = " ".join("".join(self._parts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        elif tag in ("td", "th"):
            self.tables[self._caption][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._parts.append(" ")
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "caption" in self._open:
            self._caption += data
        elif {"td", "th"} & set(self._open):
            self.tables[self._caption][-1][-1] += data
        elif not set(UNSEEN) & set(self._open):
            self._parts.append(data)


def number_before(text: str, words: str) -> float:
    """The number that stands before these words."""
    found = re.search(rf"(-?[\d.,]*\d(?:e-?\d+)?)\s*{words}", text)
    assert found, words
    return float(found[1].replace(",", ""))
