"""Paths on a command line: any number, anywhere among the options."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Sequence

from jsonargparse import ArgumentParser

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.ranges import whole_count

NUMBER = re.compile(r"-[\d.]+\S*")


def add_study_options(parser: ArgumentParser) -> None:
    """The options of a program that predicts given studies."""
    parser.add_argument("--labels", type=str, default=None, help="score the run on these studies: a label table")
    parser.add_argument("--show-identifiers", action="store_true", help="also write the answers with your identifiers")
    parser.add_argument(
        "--jobs", type=whole_count, default=None, help="processes that read DICOM (default: one per core)"
    )


def refuse_repeated(parser: ArgumentParser, words: Sequence[str], variables: Container[str]) -> None:
    """Raise WrongUse where an option that takes several words is given twice: those of the first would be dropped.

    variables: that are set. One that has an option's name in capitals is put before it by its stage, and loses.
    """
    lists = [option for one in parser._actions if one.nargs in ("+", "*") for option in one.option_strings]
    given = [word.partition("=")[0] for word in words]
    twice = [one for one in lists if given.count(one) > 1 + (one.removeprefix("--").upper() in variables)]
    if twice:
        raise WrongUse(f"{twice[0]} is given {given.count(twice[0])} times; name all behind one: {twice[0]} ONE OTHER")


def paths_apart(parser: ArgumentParser, argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paths of a command line, and its options with their values.

    An option takes as many words as it is declared to; one that takes any number stops before a word that is there as
    a file or folder and is no number. What stands behind `--` is a path whatever it begins with.
    """
    takes = {option: action.nargs for action in parser._actions for option in action.option_strings}
    paths: list[str] = []
    options: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            paths += words
            break
        if not word.startswith("-") or NUMBER.fullmatch(word):
            paths.append(word)
            continue
        options.append(word)
        count = takes.get(word, 0)  # an unknown one is named by the parser; with "=" its value is in the word
        if count in ("+", "*"):
            while words and not words[0].startswith("--") and (words[0].isdecimal() or not os.path.lexists(words[0])):
                options.append(words.pop(0))
        elif count != 0:
            options += words[:1]
            del words[:1]
    return paths, options
