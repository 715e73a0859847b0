"""A configuration as plain values, as YAML, and as the dataclasses that it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from hounsfield.core.storage.files import write_bytes


def plain(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain values, for a provenance."""
    return asdict(config)


def save_config(path: Path, config: Any) -> None:
    """Write the resolved configuration as YAML that can be used with `--config` again."""
    values = _lists(asdict(config))
    write_bytes(path, yaml.safe_dump(values, sort_keys=False).encode())


def dataclasses_in(kind: Any) -> Iterator[type[Any]]:
    """The dataclasses that a type is made of, at any depth."""
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
    for part in get_type_hints(kind).values() if is_dataclass(kind) else get_args(kind):
        yield from dataclasses_in(part)


def _lists(value: Any) -> Any:
    """Tuples as lists, all the way down: YAML's safe subset has no tuples."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    return value
