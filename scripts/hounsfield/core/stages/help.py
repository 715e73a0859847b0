"""What `--help` of a stage prints: its own options and the fields of the configuration that it uses, a line each.

A field is described where it is declared: by the comment beside it in its dataclass.
"""

from __future__ import annotations

import inspect
import io
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from jsonargparse import ArgumentParser

WIDTH = 38  # of the column with names and values
NEVER_SHOWN = ("help", "config", "print_config", "print_shtab")


def stage_help(parser: ArgumentParser, config: Mapping[str, Any], parts: Sequence[str]) -> str:
    """The text. config: the fields as the given configuration sets them; parts: those that the stage uses."""
    lines = [str(parser.description), "", "options:", *_own_options(parser, config), ""]
    lines.append("configuration (the values are those of the given YAML):")
    for name in parts:
        value = config[name]
        if is_dataclass(value) and not isinstance(value, type):
            lines += list(_fields(value, f"{name}."))
        else:
            lines.append(_line(f"--{name} {_text(value)}", ""))
    lines += ["", "--help-all lists every field of the configuration. Each can also be set in the YAML."]
    return "\n".join(lines)


def comments_of(kind: type[Any]) -> dict[str, str]:
    """The comment beside each field of a dataclass, or, where it has none, above it."""
    found: dict[str, str] = {}
    above, name = "", ""
    source = inspect.cleandoc(inspect.getsource(kind))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("# ").strip()
            if name and token.line.strip() != token.string:
                found[name] = f"{found.get(name, '')} {text}".strip()
            else:
                above, name = f"{above} {text}".strip(), ""
        elif token.type == tokenize.NAME and token.line.lstrip().startswith(f"{token.string}:"):
            name = token.string
            if above:
                found[name], above = above, ""
    return found


def _own_options(parser: ArgumentParser, config: Mapping[str, Any]) -> Iterator[str]:
    yield _line("--config YAML", next(str(a.help) for a in parser._actions if a.dest == "config"))
    for action in parser._actions:
        top = action.dest.split(".")[0]
        if not action.option_strings or top in config or action.dest in NEVER_SHOWN:
            continue
        values = "" if action.nargs == 0 else f" {top.upper()}"
        yield _line(f"{action.option_strings[0]}{values}", str(action.help or ""))


def _fields(value: Any, prefix: str) -> Iterator[str]:
    comments = comments_of(type(value))
    for field in fields(value):
        inner = getattr(value, field.name)
        if is_dataclass(inner) and not isinstance(inner, type):
            yield _line(f"--{prefix}{field.name}.NAME", f"{len(fields(inner))} settings, which --help-all lists")
        else:
            yield _line(f"--{prefix}{field.name} {_text(inner)}", comments.get(field.name, ""))


def _line(option: str, words: str) -> str:
    return f"  {option:<{WIDTH}}  {words}".rstrip()


def _text(value: Any) -> str:
    """A value as the YAML has it."""
    if isinstance(value, tuple | list):
        return "[...]" if any(map(is_dataclass, value)) else f"[{', '.join(map(_text, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
