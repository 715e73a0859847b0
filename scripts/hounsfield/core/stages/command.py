"""How a stage program starts and ends: its command line, its configuration, its exit code.

Every program takes `--config`, `--work` and `--force`, and every field of its configuration as an option. The stem of
the configuration's file names the experiment, and with it the output folders.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from hounsfield.core.errors import HounsfieldError, WrongUse
from hounsfield.core.logs import logger
from hounsfield.core.storage.files import write_bytes

REPOSITORY = Path(__file__).resolve().parents[4]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # what may become the name of a folder

SECONDS_OF_THE_FIRST = 10  # in which it says what is wrong, and ends

set_parsing_settings(import_path_denylist=["*"])  # a configuration holds values, and never names code

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class Command(Generic[ConfigT]):
    """One parsed command line."""

    config: ConfigT
    experiment: str  # the configuration file's stem
    work: Path  # the folder that holds data/, checkpoints/ and preds/
    force: bool  # make outputs anew that were made from other inputs
    arguments: Namespace  # what this program alone takes


def stage_parser(config_class: type[Any], description: str, *, default_config: Path) -> ArgumentParser:
    """A parser with the options that all stage programs share; the program adds its own."""
    parser = ArgumentParser(description=description, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config", help=f"experiment YAML (default: {default_config})")
    parser.add_argument(
        "--work",
        type=str,
        default=str(REPOSITORY),
        help="folder that holds data, checkpoints and preds",
    )
    parser.add_argument("--force", action="store_true", help="replace outputs that were made from other inputs")
    # the items of a tuple of dataclasses are looked up by their import path; only the declared type passes
    paths = [f"{part.__module__}.{part.__qualname__}" for part in _dataclasses_in(config_class)]
    set_parsing_settings(import_path_allowlist=paths)
    parser.add_class_arguments(config_class)
    return parser


def parse(
    parser: ArgumentParser,
    config_class: type[ConfigT],
    *,
    default_config: Path,
    argv: Sequence[str] | None = None,
) -> Command[ConfigT]:
    """Parse `argv` (the process's own by default) against the configuration file and its dataclass.

    Raises WrongUse naming file and key when a key is unknown or a value has the wrong type.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not any(word == "--config" or word.startswith("--config=") for word in argv):
        argv = ["--config", str(default_config), *argv]
    argv = [_found(word) if before == "--config" else word for before, word in zip(["", *argv], argv, strict=False)]
    try:
        arguments = parser.parse_args(argv)
        config = parser.instantiate(arguments)
    except (ArgumentError, ValueError, TypeError) as error:
        raise WrongUse(f"{_config_of(argv)} or the command line: {error}") from error
    experiment = Path(str(arguments.config[-1])).stem
    check_name(experiment, "the configuration's file name")
    fields = {name: config[name] for name in config_class.__dataclass_fields__}  # type: ignore[attr-defined]
    return Command(
        config=config_class(**fields),
        experiment=experiment,
        work=Path(arguments.work).resolve(),
        force=arguments.force,
        arguments=arguments,
    )


def check_name(name: str, what: str) -> str:
    """Return `name` if it may become a folder's name; raise WrongUse otherwise."""
    if not NAME.fullmatch(name) or ".." in name:
        raise WrongUse(f"{what} {name[:64]!r} cannot name a folder: use letters, digits, '_', '-' and '.'")
    return name


def plain(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain values, for a recipe or a manifest."""
    return asdict(config)


def save_config(path: Path, config: Any) -> None:
    """Write the resolved configuration as YAML that can be used with `--config` again."""
    values = _lists(asdict(config))
    write_bytes(path, yaml.safe_dump(values, sort_keys=False).encode())


def run(main: Callable[[], None]) -> NoReturn:
    """Run a stage program and end the process: exit code 0 done, 2 wrong use or missing input, 1 anything else."""
    try:
        with _in_turn():
            main()
    except HounsfieldError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        place = error.filename or "the system (is the disk full, is /dev/shm there and writable?)"
        print(f"error: {place}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, FileNotFoundError | PermissionError) else 1)
    except KeyboardInterrupt:
        logger.warning("interrupted; the same command goes on from here")
        sys.exit(128 + signal.SIGINT)
    sys.exit(0)


@contextmanager
def _in_turn() -> Iterator[None]:
    """Of several processes that fail alike only the first speaks: torchrun ends the others while they wait here."""
    try:
        yield
    except Exception:
        if os.environ.get("RANK", "0") != "0":
            time.sleep(SECONDS_OF_THE_FIRST)
        raise


def _found(config: str) -> str:
    """A configuration that is not there as seen from here may be there as seen from the repository."""
    return str(REPOSITORY / config) if not Path(config).exists() and (REPOSITORY / config).exists() else config


def _config_of(argv: Sequence[str]) -> str:
    for position, word in enumerate(argv):
        if word == "--config" and position + 1 < len(argv):
            return argv[position + 1]
        if word.startswith("--config="):
            return word.removeprefix("--config=")
    return "the configuration"


def _dataclasses_in(kind: Any) -> Iterator[type[Any]]:
    """The dataclasses that a type is made of, at any depth."""
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
    for part in get_type_hints(kind).values() if is_dataclass(kind) else get_args(kind):
        yield from _dataclasses_in(part)


def _lists(value: Any) -> Any:
    """Tuples as lists, all the way down: YAML's safe subset has no tuples."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    return value
