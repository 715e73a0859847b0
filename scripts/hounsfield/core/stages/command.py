"""How a stage program starts and ends: its command line, its configuration, its exit code.

Every program takes `--config`, `--work` and `--force`, and every field of its configuration as an option. The variables
CONFIG, WORK, DATA_SET and FOLDS say the same as the options `--config`, `--work`, `--data_set` (or `--apply-to`) and
`--fold`, which win. The stem of the configuration's file names the experiment, and with it the output folders.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from hounsfield.core.errors import WrongUse
from hounsfield.core.foreign_text import one_line
from hounsfield.core.stages.configuration import check_yaml, dataclasses_in
from hounsfield.core.stages.exits import run as run  # what a program ends with, beside what it starts with
from hounsfield.core.stages.help import stage_help
from hounsfield.core.stages.mistakes import other_system, parsing_mistake
from hounsfield.core.stages.paths_given import NUMBER, refuse_repeated
from hounsfield.core.stages.ranges import check_ranges
from hounsfield.core.stages.variables import as_given, words_of_variables, work_folder

REPOSITORY = Path(__file__).resolve().parents[4]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # of a file from elsewhere, kept as it is
LONGEST_NAME = 100  # bytes: file systems take 255, and some outputs add to it
RAW = "raw"  # the folder of data/ that holds archives, and can be no data set
NAMES_DATA_SET = ("data_set", "--apply-to", "DATA_SET")
ALL = "all"  # the fold of the single model, which trains on every patient

set_parsing_settings(import_path_denylist=["*"])  # a configuration holds values, and never names code

ConfigT = TypeVar("ConfigT")
# prepares: DATA_SET names what is made; trains: it must be the configuration's; applies: what the models predict
Role = Literal["prepares", "trains", "applies"]


@dataclass(frozen=True)
class Stage(Generic[ConfigT]):
    """What a program is: its configuration, the parts of it that it uses, and what it does with a data set."""

    config_class: type[ConfigT]
    description: str
    default_config: Path
    role: Role = "trains"
    parts: tuple[str, ...] = ()  # of the configuration, shown by --help
    single: bool = False  # may the fold be `all`?


@dataclass(frozen=True)
class Command(Generic[ConfigT]):
    """One parsed command line."""

    config: ConfigT
    experiment: str  # the configuration file's stem
    work: Path  # the folder that holds data/, checkpoints/ and preds/
    force: bool  # make outputs anew that were made from other inputs
    data_set: str  # what is prepared, trained on or predicted
    folds: tuple[str, ...]  # validation folds; `all` trains on every patient
    arguments: Namespace  # what this program alone takes
    variables: dict[str, str]  # settings that differ from the defaults, as variables
    overrides: tuple[str, ...]  # options that change fields of the configuration

    def remedy(self, script: str, *options: str, same_config: bool = True) -> str:
        """The command that runs a stage of bin/ with what this one was given, to be pasted where this one was started.

        same_config: False for a stage of another system, which knows the data set and not this configuration.
        """
        if same_config:
            return command_line(script, self.variables, *options, *self.overrides)
        work = {name: value for name, value in self.variables.items() if name == "WORK"}
        return command_line(script, {**work, "DATA_SET": self.data_set}, *options)


def applied_to(command: Command[Any]) -> str:
    """The data set that is only predicted, by the models of another one; "" where the models' own is worked on."""
    return "" if command.data_set == command.config.data_set else command.data_set


def on_training_set(command: Command[ConfigT]) -> Command[ConfigT]:
    """The same command without another data set that is only predicted: what trains, or prepares for training."""
    variables = {name: value for name, value in command.variables.items() if name != "DATA_SET"}
    return replace(command, data_set=str(command.config.data_set), variables=variables)  # type: ignore[attr-defined]


def command_line(script: str, variables: Mapping[str, str], *options: str) -> str:
    """The command that runs a stage of bin/, to be pasted where this program was started."""
    words = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    return " ".join([*words, "sh", *map(shlex.quote, [shown(REPOSITORY / "bin" / script), *options])])


def stage_parser(stage: Stage[Any]) -> ArgumentParser:
    """A parser with the options that all stage programs share; the program adds its own."""
    parser = ArgumentParser(description=stage.description, exit_on_error=False, allow_abbrev=False, add_help=False)
    config_help = f"the experiment's YAML (default: {shown(stage.default_config)})"
    parser.add_argument("--config", action="config", help=config_help)
    parser.add_argument(
        "--work", type=str, default=str(REPOSITORY), help="folder that holds data, checkpoints and preds"
    )
    parser.add_argument("--force", action="store_true", help="replace outputs that were made from something else")
    if stage.role != "prepares":
        single = f", or '{ALL}' to train on every patient" if stage.single else ""
        parser.add_argument("--fold", nargs="+", default=None, help=f"validation folds{single} (default: folds)")
    if stage.role == "applies":
        parser.add_argument("--apply-to", type=str, default=None, help="another prepared data set, only predicted")
    # the items of a tuple of dataclasses are looked up by their import path; only the declared type passes
    paths = [f"{part.__module__}.{part.__qualname__}" for part in dataclasses_in(stage.config_class)]
    set_parsing_settings(import_path_allowlist=paths)
    parser.add_class_arguments(stage.config_class)
    return parser


def add_list_backbones(parser: ArgumentParser) -> None:
    """Add `--list-backbones PATTERN`, for a stage that trains a network which the configuration names."""
    parser.add_argument(
        "--list-backbones", metavar="PATTERN", default=None, help="print the networks that fit, and end"
    )


def parse(parser: ArgumentParser, stage: Stage[ConfigT], argv: Sequence[str] | None = None) -> Command[ConfigT]:
    """Parse `argv` (the process's own by default) against the configuration file and its dataclass.

    Raises WrongUse naming file and key when a key is unknown, a value has the wrong type, or settings contradict each
    other. `--help` prints the stage's own options, `--help-all` every field of the configuration.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    full = _with_variables(given, stage)
    if "--help-all" in given:
        print(parser.format_help())
        sys.exit(0)
    wants_help = "--help" in given or "-h" in given
    words = [word for word in full if word not in ("--help", "-h")]
    refuse_repeated(parser, words, os.environ)
    path, own = _config_file(words), stage.default_config.parent.name
    try:
        arguments = parser.parse_args(words)
        config = parser.instantiate(arguments)
    except (ArgumentError, ValueError, TypeError) as error:
        foreign = other_system(path, own, REPOSITORY)
        if foreign:
            raise WrongUse(f"{shown(path)} {foreign}") from error
        options = (option for one in parser._actions for option in one.option_strings)
        raise WrongUse(parsing_mistake(error, options, words, shown(path))) from error
    if path.resolve().is_relative_to(REPOSITORY / "configs") and (foreign := other_system(path, own, REPOSITORY)):
        raise WrongUse(f"{shown(path)} {foreign}")
    fields = {name: config[name] for name in stage.config_class.__dataclass_fields__}  # type: ignore[attr-defined]
    if wants_help:
        print(stage_help(parser, fields, stage.parts))
        sys.exit(0)
    checked = stage.config_class(**fields)
    check_ranges(checked)
    return _command(stage, arguments, checked, given, words)


def _command(
    stage: Stage[ConfigT], arguments: Namespace, config: ConfigT, given: list[str], words: list[str]
) -> Command[ConfigT]:
    path = Path(str(arguments.config[-1]))
    experiment = check_name(path.stem, "the configuration's file name")
    trained_on = str(config.data_set)  # type: ignore[attr-defined]
    check_name(trained_on, "DATA_SET" if os.environ.get("DATA_SET") == trained_on else "data_set")
    data_set = _data_set(stage, arguments, trained_on, path)
    work = work_folder(arguments.work)
    folds = arguments.get("fold") or [str(fold) for fold in config.folds]  # type: ignore[attr-defined]
    variables = {}
    if path.resolve() != stage.default_config.resolve():
        variables["CONFIG"] = shown(path)
    if work != REPOSITORY:
        variables["WORK"] = shown(Path(arguments.work))
    if stage.role == "prepares" or data_set != trained_on:
        variables["DATA_SET"] = data_set
    if arguments.get("fold"):
        variables["FOLDS"] = " ".join(folds)
    return Command(
        config=config,
        experiment=experiment,
        work=work,
        force=arguments.force,
        data_set=data_set,
        folds=tuple(dict.fromkeys(map(str, folds))),
        arguments=arguments,
        variables=variables,
        overrides=_overrides(given, stage.config_class),
    )


def _data_set(stage: Stage[Any], arguments: Namespace, trained_on: str, config: Path) -> str:
    """The data set to work on. Raises WrongUse when DATA_SET and the configuration that is trained are at odds."""
    if stage.role == "applies":
        name = str(arguments.get("apply_to") or trained_on)
        return check_name(name, "DATA_SET" if os.environ.get("DATA_SET") == name else "--apply-to")
    asked = os.environ.get("DATA_SET") or trained_on
    if stage.role == "trains" and asked != trained_on:
        raise WrongUse(
            f"DATA_SET={asked} is at odds with {shown(config)}, which trains on {trained_on}: leave out DATA_SET, or "
            f"copy the configuration and set `data_set: {asked}` there"
        )
    return trained_on


def chosen_folds(command: Command[Any], count: int, *, single: bool = False) -> list[str]:
    """The folds of the command line, the configuration's when it has none. Raises WrongUse when there is no such fold.

    count: folds of the data set. single: whether `all` is one, which trains on every patient.
    """
    for fold in command.folds:
        if not (single and fold == ALL) and not (fold.isdecimal() and int(fold) < count):
            last = f"0 to {count - 1}" + (f", or {ALL}" if single else "")
            several = ", separated by blanks," if "," in fold else ""
            fact = f"fold {fold}: there are {count}"
            raise WrongUse(f"{fact}; give {last}{several} with --fold, FOLDS or `folds` of the YAML")
    if ALL in command.folds and len(command.folds) > 1:
        raise WrongUse(f"folds {' '.join(command.folds)}: the single model trains on every fold; take it alone")
    return list(command.folds)


def check_name(name: str, what: str) -> str:
    """Return `name` if it may become a folder's name, in any script; raise WrongUse, saying why not, otherwise."""
    reasons = {
        "it is empty": not name.strip(),
        "it would lead to another folder": "/" in name or "\\" in name or name in (".", ".."),
        "it begins with '.' or '-', which is read as something else": name.startswith((".", "-")),
        "it begins or ends with a blank": name != name.strip(),
        "it holds signs that cannot be shown": not name.isprintable(),
        f"it takes more than {LONGEST_NAME} bytes": len(os.fsencode(name)) > LONGEST_NAME,
        "the folder of that name holds what is prepared from": what in NAMES_DATA_SET and name.lower() == RAW,
    }
    for reason, applies in reasons.items():
        if applies:
            raise WrongUse(f"{what} {name[:64]!r} cannot name a folder: {reason}")
    return name


def shown(path: Path) -> str:
    """A path as a person standing here would type it, in one line."""
    full = Path(os.path.normpath(Path.cwd() / path))
    return one_line(full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full)


def _with_variables(argv: list[str], stage: Stage[Any]) -> list[str]:
    """The options, and before them what the environment's variables say; paths of configurations as they are found."""
    options = {word.partition("=")[0] for word in argv if word.startswith("--")}
    before = ["--config", os.environ.get("CONFIG") or str(stage.default_config)] if "--config" not in options else []
    wanted = {"WORK": "--work", "FOLDS": "--fold", "DATA_SET": "--apply-to"}
    if stage.role == "prepares":
        wanted = {"WORK": "--work", "DATA_SET": "--data_set"}
    elif stage.role == "trains":
        del wanted["DATA_SET"]
    argv = [word for one in argv for word in (one.split("=", 1) if one.startswith("--config=") else [one])]
    of_config = [word == "--config" or last == "--config" for last, word in zip(["", *argv], argv, strict=False)]
    first = [word for word, is_config in zip(argv, of_config, strict=True) if is_config]  # else it undoes the options
    others = [word for word, is_config in zip(argv, of_config, strict=True) if not is_config]
    argv = [*before, *first, *others, *words_of_variables(options, wanted)]
    return [found_config(word) if last == "--config" else word for last, word in zip(["", *argv], argv, strict=False)]


def found_config(config: str) -> str:
    """A configuration that is not there as seen from here may be there as seen from the repository."""
    found = str(REPOSITORY / config) if not Path(config).exists() and (REPOSITORY / config).exists() else config
    if not Path(found).is_file():
        fact = "is a folder; name a file" if Path(found).is_dir() else "there is no such file"
        known = f"the experiments are the files configs/*/*.yaml of {REPOSITORY}"
        raise WrongUse(f"{as_given('CONFIG', '--config', config)}: {fact}; {known}")
    return found


def _config_file(words: Sequence[str]) -> Path:
    """The one configuration of a command line. Raises WrongUse where two would be mixed, or where it is no YAML."""
    given = [after for word, after in zip(words, [*words[1:], ""], strict=True) if word == "--config"]
    if len(given) > 1:
        raise WrongUse(f"--config is given {len(given)} times ({', '.join(given)}); give one")
    path = Path(found_config(given[0]))
    check_yaml(path.read_bytes(), shown(path))
    return path


def _overrides(argv: Sequence[str], config_class: type[Any]) -> tuple[str, ...]:
    """The options that change fields of the configuration, which a remedy must repeat."""
    fields, kept, taking = set(config_class.__dataclass_fields__), [], False
    for word in argv:
        if word.startswith("-") and not NUMBER.fullmatch(word):
            name, equals, _ = word.removeprefix("--").partition("=")
            taking = name.split(".")[0] in fields
            if taking:
                kept.append(word)
            taking = taking and not equals
        elif taking:
            kept.append(word)
    return tuple(kept)
