"""Which values a field of a configuration may have, said by its type: `size: Count = 480`."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from hounsfield.core.errors import WrongUse

LARGEST = 2**31 - 1  # of whole numbers, which libraries take no larger
MOST_PROCESSES = 1024  # and threads: a system that is asked for more hangs, or falls over


class Range(NamedTuple):
    """From `least` to `most`; `least` itself is left out where the values are above it."""

    least: float
    most: float = math.inf
    above: bool = False

    def __contains__(self, value: Any) -> bool:
        return self.least <= value <= self.most and not (self.above and value == self.least) and math.isfinite(value)

    def __str__(self) -> str:
        """The range in words, after `give a number`."""
        most = "" if math.isinf(self.most) else f" to {self.most}"
        return f"{'above' if self.above else 'from'} {self.least:g}{most}"


Count = Annotated[int, Range(1, LARGEST)]
Natural = Annotated[int, Range(0, LARGEST)]
Threads = Annotated[int, Range(1, MOST_PROCESSES)]
Workers = Annotated[int, Range(0, MOST_PROCESSES)]
Positive = Annotated[float, Range(0, above=True)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
PositiveShare = Annotated[float, Range(0, 1, above=True)]


def whole_count(text: str | int) -> int:
    """A number of processes on a command line, for an option that is of no configuration."""
    words = str(text).strip()
    if not words.isdecimal() or len(words) > len(str(LARGEST)) or not 1 <= int(words) <= MOST_PROCESSES:
        raise ArgumentTypeError(f"{text}: give a whole number from 1 to {MOST_PROCESSES}")
    return int(words)


def check_ranges(config: Any) -> None:
    """Raise WrongUse naming the first field of a configuration, at any depth, whose value is out of its range."""
    for name, value, allowed in _ranged(config, type(config), ""):
        if value not in allowed:
            raise WrongUse(f"{name} {value}: give a number {allowed}")


def _ranged(value: Any, kind: Any, name: str) -> Iterator[tuple[str, Any, Range]]:
    """Every number in `value` whose type says a range: its name, itself, the range."""
    if is_dataclass(value):
        for field, field_kind in get_type_hints(type(value), include_extras=True).items():
            yield from _ranged(getattr(value, field), field_kind, f"{name}.{field}" if name else field)
    elif get_origin(kind) is Annotated:
        yield from ((name, value, one) for one in get_args(kind)[1:] if isinstance(one, Range))
    elif isinstance(value, tuple | list):
        kinds = [one for one in _tuples(kind) if get_args(one)]
        for item in value:
            for one in kinds:
                yield from _ranged(item, get_args(one)[0], name)
    elif value is not None and not isinstance(value, str):
        for one in get_args(kind):
            yield from _ranged(value, one, name)


def _tuples(kind: Any) -> Iterator[Any]:
    """The tuple types that a type, or one of its alternatives, is."""
    if get_origin(kind) is tuple:
        yield kind
    elif get_origin(kind) is not Annotated:
        for one in get_args(kind):
            yield from _tuples(one)
