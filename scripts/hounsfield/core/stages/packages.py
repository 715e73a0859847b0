"""Versions of installed packages, which may change what a stage computes."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache  # every output asks for some, and each time a package's metadata would be read and parsed anew
def version_of(package: str) -> str:
    """The version of an installed package."""
    return metadata.version(package)
