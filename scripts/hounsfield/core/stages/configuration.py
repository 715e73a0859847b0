"""A configuration as plain values, as YAML, and as the dataclasses that it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from hounsfield.core.errors import WrongUse
from hounsfield.core.storage.files import json_values, write_bytes

# these change how fast a run goes, not what comes out; the weights count by their digest, not by where they lie
SPEED_SETTINGS = ("workers", "save_every", "download", "compile", "gradient_checkpointing", "chunk", "weights")
LARGEST = 1_000_000  # bytes of a file; those in configs/ have up to seven thousand
DEEPEST = 20  # levels of a file; the reader's time grows with their square: half a minute for 20,000
TAG = "tag:yaml.org,2002:"  # of YAML's own types
PLAIN_TAGS = {f"{TAG}{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}


def plain(config: Any, *left_out: str) -> dict[str, Any]:
    """A configuration dataclass as plain values, for a provenance. left_out: names of fields."""
    return {name: value for name, value in asdict(config).items() if name not in left_out}


def shaping_settings(config: Any, *left_out: str) -> dict[str, Any]:
    """The same without those fields that only change its speed."""
    return plain(config, *SPEED_SETTINGS, *left_out)


def save_config(path: Path, config: Any) -> None:
    """Write the resolved configuration as YAML that can be used with `--config` again, unless it is there."""
    content = yaml.safe_dump(json_values(asdict(config)), sort_keys=False).encode()  # it has no tuples
    if not (path.exists() and path.read_bytes() == content):
        write_bytes(path, content)


def check_yaml(content: bytes, source: str) -> None:
    """Raise WrongUse, naming `source` and the line, unless a file is one YAML mapping that says everything once.

    Of keys that stand twice YAML's reader would take the last one without a word. References to other parts of the
    file (`*name`) are refused, since a few lines of them can stand for more values than any memory holds.
    """
    if len(content) > LARGEST:
        raise WrongUse(f"{source} has {len(content)} bytes, which no configuration has; copy a file of configs/")
    try:
        text, depth = content.decode("utf-8-sig"), 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise WrongUse(f"{source} is nested too deeply; write it as the files in configs/ are")
            if isinstance(event, yaml.AliasEvent):
                fact = f"the reference *{event.anchor} is not followed"
                raise WrongUse(f"{source}{_place(event.start_mark)}: {fact}; write its values there")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise WrongUse(f"{source} is no text in UTF-8 (byte {error.start}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise WrongUse(f"{source} is not readable YAML: {_yaml_fault(error)}") from error
    if not isinstance(root, yaml.MappingNode):
        found = "nothing" if root is None else "no names with values"
        raise WrongUse(f"{source} holds {found}; write lines such as `data_set: mine`, or copy a file of configs/")
    _check_node(root, source)


def _check_node(node: yaml.Node, source: str) -> None:
    """Raise WrongUse where a key stands twice in one mapping, or a value is no plain one, at any depth."""
    if node.tag not in PLAIN_TAGS:
        fact = f"{node.tag.removeprefix(TAG)} is no plain value; write a number, true, false, null, or text in quotes"
        raise WrongUse(f"{source}{_place(node.start_mark)}: {fact}")
    if node.tag == f"{TAG}float" and str(node.value).lstrip("+-").lower() in (".nan", ".inf"):
        raise WrongUse(f"{source}{_place(node.start_mark)}: {node.value} is no number to compute with; write another")
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if name in seen:
                raise WrongUse(f"{source}: {name} stands twice, in lines {seen[name]} and {line}; leave one")
            seen[name] = line
            _check_node(key, source)
            _check_node(value, source)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_node(item, source)


def _yaml_fault(error: yaml.YAMLError) -> str:
    """What is wrong, where, and what to do, in a line."""
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    if "'\\t'" in problem:
        problem += "; indent with blanks, not with tabs"
    return f"{problem}{_place(getattr(error, 'problem_mark', None))}. Correct it there"


def _place(mark: Any) -> str:
    return "" if mark is None else f", line {mark.line + 1}"


def dataclasses_in(kind: Any) -> Iterator[type[Any]]:
    """The dataclasses that a type is made of, at any depth."""
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
    for part in get_type_hints(kind).values() if is_dataclass(kind) else get_args(kind):
        yield from dataclasses_in(part)
