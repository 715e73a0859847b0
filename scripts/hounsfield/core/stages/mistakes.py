"""What a person is told who has mistyped something: the nearest name, or whose configuration it is."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml

from hounsfield.core.errors import WrongUse
from hounsfield.core.foreign_text import one_line
from hounsfield.core.stages.configuration import check_yaml

NEAREST = 3
UNRECOGNISED = re.compile(r"unrecognized arguments: (--[^\s=]+)")
NOT_ACCEPTED = re.compile(r"Group '([^']+)' does not accept option '([^']+)'|Option '([^']+)' is not accepted")
WRONG_KEY = re.compile(r'Parser key "([^"]+)": (.*)')
WRONG_VALUE = re.compile(  # of one type, or of several
    r"(?:Expected a (<class '\w+'>|typing\.Literal.+)\. Got|.+ Subtypes: \[(.+)\] Errors: .+ Given) value: (.*)"
)
TYPE = re.compile(r"(?<=<class ')\w+|(?<=typing\.Literal)\[.+?\]|tuple\[.+?\]")
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "tuple": "a list in brackets",
    "tuple[int, ...]": "a list of whole numbers in brackets",
}


class _Once(argparse._StoreAction):
    """An option that is given once: of two values the first would be dropped without a word."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if option_string and getattr(namespace, self.dest) is not self.default:
            raise WrongUse(f"{option_string} is given twice; give it once")
        super().__call__(parser, namespace, values, option_string)


class OneLineParser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong with a command line, as every stage does."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """As argparse's own."""
        super().__init__(*arguments, **settings)
        for kind in (None, "store"):
            self.register("action", kind, _Once)

    def error(self, message: str) -> NoReturn:
        """Raise WrongUse instead of printing the usage and ending the process."""
        raise WrongUse(f"{one_line(message)} (--help lists what there is)")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known names that are spelt most like `word`, for a message; "" where none is like it."""
    found = get_close_matches(word, list(known), NEAREST, cutoff=0.6)
    return f"; nearest by spelling: {', '.join(found)}" if found else ""


def parsing_mistake(error: Exception, options: Iterable[str], words: Sequence[str], config: str) -> str:
    """Where something is wrong and what, in one line; of a name that is not known also the nearest of the `options`.

    words: of the command line; config: what the configuration's file is called. The source is named as far as it shows.
    """
    text = " ".join(str(error).split())
    unknown = UNRECOGNISED.search(text)
    if unknown:
        return f"{text}: this stage has no such option (--help lists them){nearest(unknown[1], options)}"
    if text.startswith("argument --"):  # its own type has refused it
        return text
    if key := WRONG_KEY.match(text):
        parts, given = key[1].split("."), {word.partition("=")[0] for word in words}
        on_line = any(f"--{'.'.join(parts[:n])}" in given for n in range(1, len(parts) + 1))
        return f"--{_wrong_value(*key.groups())}" if on_line else f"{config}: {_wrong_value(*key.groups())}"
    unknown = NOT_ACCEPTED.search(text)
    if unknown:
        name = unknown[3] or f"{unknown[1]}.{unknown[2]}"
        text += nearest(name, (one.removeprefix("--") for one in options))
    return f"{config} or the command line: {text}"


def _wrong_value(key: str, text: str) -> str:
    """What a field's value is, and what it should be. text: what the parser says of it."""
    wrong = WRONG_VALUE.fullmatch(text)
    if wrong is None:
        return f"{key}: {text}"
    kinds = [KINDS.get(one, one.strip("[]")) for one in TYPE.findall(wrong[1] or wrong[2]) if one != "NoneType"]
    return f"{key} {one_line(wrong[3])}: give {' or '.join(kinds)}"


def other_system(config: Path, own: str, repository: Path) -> str:
    """A sentence that names the system whose configuration the file is, and its stages; "" where it is this one's.

    own: the name of the system whose stage is run. A configuration of a person's own is known by its first keys.
    """
    shipped = sorted((repository / "configs").glob("*/*.yaml"))
    if own not in {path.parent.name for path in shipped}:
        return ""
    folder = config.resolve().parent
    if folder.parent == repository / "configs":
        systems = [folder.name] if folder.name != own else []
    else:
        keys = first_keys(config) - {key for path in shipped if path.parent.name == own for key in first_keys(path)}
        systems = [path.parent.name for path in shipped if path.parent.name != own and keys & first_keys(path)]
    if not systems:
        return ""
    stages = [path.name for path in sorted((repository / "bin").glob("run_*.sh")) if _runs(path, systems[0])]
    listed = f"{stages[0]} to {stages[-1]}" if len(stages) > 1 else "".join(stages)
    return f"is a configuration of the {systems[0]} system, for its stages {listed}; this one is of the {own} system"


def first_keys(path: Path) -> set[str]:
    """The keys that a YAML file begins its parts with; none where it is not readable."""
    content = path.read_bytes()
    try:
        check_yaml(content, str(path))
    except WrongUse:
        return set()
    return {str(key) for key in yaml.safe_load(content)}


def _runs(stage: Path, system: str) -> bool:
    """True when a stage starts one program, of this system."""
    text = stage.read_text()
    return f" scripts/{system}_" in text and text.count(" scripts/") == 1
