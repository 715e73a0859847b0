"""What a person sets in the environment instead of options, and what is said where it cannot be used.

A variable that is empty counts as not set, as in a shell; an option that is empty never does.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from hounsfield.core.errors import WrongUse
from hounsfield.core.foreign_text import one_line


def as_given(variable: str, option: str, value: str) -> str:
    """A setting as the person has written it: by its variable, or by its option."""
    return one_line(f"{variable}={value}" if os.environ.get(variable) == value else f"{option} {value}")


def words_of_variables(options: Collection[str], wanted: Mapping[str, str]) -> list[str]:
    """The variables that are set, as options; without those whose option is given.

    options: given on the command line. wanted: the option of each variable. Raises WrongUse where folds would be read
    as options.
    """
    words = []
    for variable, option in wanted.items():
        value = os.environ.get(variable, "")
        if not value or option in options:
            continue
        if variable != "FOLDS":
            words.append(f"{option}={value}")
            continue
        if any(word.startswith("-") for word in value.split()):
            raise WrongUse(f"FOLDS={value} holds an option; write folds alone, such as FOLDS='0 1', and options behind")
        words += [option, *value.split()]
    return words


def work_folder(text: str | Path, *, reads: bool = False) -> Path:
    """The work folder. Raises WrongUse for a file, and, where a program only reads it, for one that is not there."""
    folder = Path(text).resolve()
    there = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not there.is_dir():
        given = as_given("WORK", "--work", str(text))
        raise WrongUse(f"{given}: {one_line(there)} is a file; name the folder that holds data, checkpoints and preds")
    if reads and there != folder:
        given = as_given("WORK", "--work", str(text))
        raise WrongUse(f"{given}: there is no such folder; name the one that holds data, checkpoints and preds")
    return folder


def refuse_empty(words: Sequence[str]) -> None:
    """Raise WrongUse, naming the option, where a command line holds nothing in the place of a value.

    It is what a shell leaves of a variable that is not set, and would be read as no option at all.
    """
    for what in _empty(words):
        raise WrongUse(f"{what} is given empty (a shell variable that is not set?): give it a value, or leave it out")


def refuse_dashes(words: Sequence[str]) -> None:
    """Raise WrongUse where the name of a file or folder begins with a dash, and would be read as an option."""
    before = words[: words.index("--")] if "--" in words else words
    for word in before:
        if word.startswith("-") and not word.startswith("--") and os.path.lexists(word):
            raise WrongUse(f"{word} is read as an option; for the file or folder of that name write ./{word}")


def _empty(words: Sequence[str]) -> Iterator[str]:
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.startswith("--") and equals and not value.strip():
            yield name
        elif not word.strip():
            options = [one for one in words[:place] if one.startswith("--")]
            before = words[place - 1] if place else ""
            yield before if before in options else f"word {place + 1} of the command line"
