"""Manufacturer (0008,0070) as one of a few names, so that no free text of a header leaves the reader by it."""

from __future__ import annotations

import re

import pandas as pd

OTHER = "another"
# The first that a Manufacturer holds as a word or as words; firms stand under the name that they have today.
_NAMES = (
    ("Siemens", r"siemens"),
    ("GE", r"ge|general electric|gems|imatron"),
    ("Philips", r"philips|picker|marconi|adac"),
    ("Canon", r"canon|toshiba|tmsc"),
    ("Fujifilm", r"fuji|fujifilm|hitachi"),
    ("Agfa", r"agfa"),
    ("Carestream", r"carestream|kodak|eastman"),
    ("Konica Minolta", r"konica|minolta"),
    ("Samsung", r"samsung|neurologica"),
    ("Shimadzu", r"shimadzu"),
    ("Hologic", r"hologic|lorad"),
    ("United Imaging", r"united imaging|uih"),
    ("Neusoft", r"neusoft"),
    ("Planmed", r"planmed|planmeca"),
    ("Swissray", r"swissray"),
    ("Varian", r"varian"),
)
_PATTERNS = tuple((name, re.compile(rf"(?<![a-z])(?:{words})(?![a-z])")) for name, words in _NAMES)
VENDORS_BY = "manufacturers of the devices, by {}"  # heading of a report's table


def vendor_of(manufacturer: str) -> str:
    """A name of _NAMES for the text of a header; OTHER for any other text, "" where there is none."""
    text = re.sub(r"[\s_.,-]+", " ", manufacturer.lower()).strip()
    return next((name for name, pattern in _PATTERNS if pattern.search(text)), OTHER if text else "")


def vendors_in_words(vendors: pd.Series) -> pd.Series:
    """The column of a table for people to read; data sets that were prepared by older versions hold nothing there."""
    return vendors.fillna("not recorded by an older version").replace("", "not named in the header")
