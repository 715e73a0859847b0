"""The systems by name, and the runs of each that are there, for the programs that know several.

A system's modules are imported when they are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from hounsfield.core.errors import MissingInput, StaleOutput, WrongUse
from hounsfield.core.foreign_text import one_line
from hounsfield.core.stages.command import command_line, shown
from hounsfield.core.stages.kept_configs import config_of_run, kept_config, kept_otherwise
from hounsfield.core.stages.mistakes import first_keys

if TYPE_CHECKING:  # a program reads its command line before it waits for pandas
    from hounsfield.core.evaluation.study_view import Adaptor, ReadPrepare
    from hounsfield.core.stages.command import Command

MOST_NAMED = 5  # runs in a message


class PrepareProgram(NamedTuple):
    """A program that prepares data sets (a ReadPrepare)."""

    program: ModuleType

    def __call__(self, argv: Sequence[str], /) -> Command[Any]:
        """Read its command line."""
        return cast("Command[Any]", self.program.read_command(argv))

    def prepare(self, command: Command[Any], /) -> None:
        """Prepare what a command line names."""
        self.program.prepare_data_set(command)


class System(NamedTuple):
    """Where a system keeps what programs ask of each."""

    name: str  # of its package, and of its folders below configs/, checkpoints/ and preds/
    config: str  # the class of its configuration
    prepare: str  # the program that prepares its data sets
    shifts: bool = False  # has it a module `shifts`, which answers changed images?

    @property
    def without_shifts(self) -> str:
        """Why its robustness cannot be measured; "" where it can."""
        fact = f"the {self.name} system has no changes of its images that it could be measured under"
        return "" if self.shifts else fact

    def module(self, room: str) -> ModuleType:
        """One of its modules by name, such as study_view or report_facts."""
        return import_module(f"hounsfield.{self.name}.{room}")

    def config_class(self) -> tuple[type[Any], Path]:
        """The class of its configuration, and the file that holds the default one."""
        module = self.module("config")
        return getattr(module, self.config), module.DEFAULT_CONFIG

    def adaptor(self) -> Adaptor:
        """What it offers of its predicted studies."""
        return cast("Adaptor", self.module("study_view"))

    def read_prepare(self) -> ReadPrepare:
        """The program that prepares its data sets; the folder of the programs must be importable."""
        return PrepareProgram(import_module(self.prepare))


SYSTEMS = {
    one.name: one
    for one in (
        System("hemorrhage", "HemorrhageConfig", "rsna2019_prepare", shifts=True),
        System("stacking", "StackingConfig", "rsna2019_prepare"),
        System("spine", "SpineConfig", "rsna2022_prepare"),
        System("pneumothorax", "PneumothoraxConfig", "siim2019_prepare"),
    )
}


class ChosenRun(NamedTuple):
    """A run that is asked for, and its configuration."""

    system: System
    config: Path

    @property
    def name(self) -> str:
        """<system>/<experiment>."""
        return f"{self.system.name}/{self.config.stem}"


def run_of_config(config: Path) -> ChosenRun:
    """The run of a configuration: its system is that of its folder, or else the first that knows all of its keys.

    Raises WrongUse where no system does.
    """
    if config.resolve().parent.name in SYSTEMS:
        return ChosenRun(SYSTEMS[config.resolve().parent.name], config)
    keys = first_keys(config)
    for system in SYSTEMS.values():
        if keys <= system.config_class()[0].__dataclass_fields__.keys():
            return ChosenRun(system, config)
    raise WrongUse(f"{config}: no system has all of its settings ({', '.join(sorted(keys))}); copy a file of configs/")


def named_run(work: Path, text: str, config: Path | None) -> ChosenRun:
    """The run that is named as checkpoints/<system>/<experiment>, in any folder, or as <system>/<experiment>.

    config: that was given; it is this run's where it has its name. Raises WrongUse for what names no run of the work
    folder, with those that are there, and MissingInput where nobody knows its configuration.
    """
    parts = Path(text).parts
    place = next((n for n, part in enumerate(parts[:-1]) if part in SYSTEMS), None)
    if place is None:
        raise WrongUse(f"--run {one_line(text)} names no run; {those_there(work)}")
    if parts[0] == "/" and not Path(text).resolve().is_relative_to(work.resolve()):
        raise WrongUse(f"--run {one_line(text)} is not below the work folder {work}; name that with --work or WORK")
    system, experiment = SYSTEMS[parts[place]], parts[place + 1]
    if config is not None and config.stem == experiment:
        return ChosenRun(system, config)
    own = config_of_run(work, system.name, experiment)
    if not own.exists() and f"checkpoints/{system.name}/{experiment}" not in _experiments(work):
        raise WrongUse(f"--run {one_line(text)} names no run that has trained models; {those_there(work)}")
    if not own.exists():
        raise MissingInput(f"{own} is missing; name the configuration of {text} with --config or CONFIG")
    return ChosenRun(system, own)


@contextmanager
def naming_kept_config(run: ChosenRun, command: Command[Any], script: str, words: Sequence[str]) -> Iterator[None]:
    """Where a model is missing or stale by the configuration that is shipped under a run's name, name the kept one.

    script, words: the command line, which is told again with that.
    """
    try:
        yield
    except (MissingInput, StaleOutput) as error:
        changes = kept_otherwise(command, run.system.name) if _is_of_run(error, command) else []
        if not changes:
            raise
        kept = shown(kept_config(command.work, run.system.name, command.experiment))
        again = command_line(script, {**command.variables, "CONFIG": kept}, *words)
        raise type(error)(
            f"{error}\nOr was it trained with a configuration of your own of that name? {kept} keeps it, and differs "
            f"from {shown(run.config)} ({'; '.join(changes[:MOST_NAMED])}). To answer with it: {again}"
        ) from None


def _is_of_run(error: Exception, command: Command[Any]) -> bool:
    """Whether an error names an output of the command's run: not labels, say, or a path that was given."""
    work, experiment = re.escape(str(command.work)), re.escape(command.experiment)
    return re.search(rf"{work}/\S+/{experiment}(?![^\s/:;,)])", str(error)) is not None


def newest_runs(work: Path) -> list[ChosenRun]:
    """The runs that have a finished model below the work folder and a configuration, the newest first."""
    experiments = _experiments(work)
    named = (Path(one).parts[-2:] for one in sorted(experiments, key=experiments.__getitem__, reverse=True))
    runs = [ChosenRun(SYSTEMS[system], config_of_run(work, system, experiment)) for system, experiment in named]
    return [run for run in runs if run.config.exists()]


def those_there(work: Path) -> str:
    """The runs with a finished model, some by name, for a message."""
    known = [f"--run {one}" for one in _experiments(work)]
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return f"those of {work}: {', '.join(known[:MOST_NAMED]) or 'none'}{more}"


def _experiments(work: Path) -> dict[str, float]:
    """The folders checkpoints/<system>/<experiment> with a finished model, and when the last one was finished."""
    from hounsfield.core.stages.records import RECORD, record_among_others

    found = {}
    for folder in sorted((work / "checkpoints").glob("*/*")):
        if folder.parent.name in SYSTEMS:
            records = [path for path in folder.rglob(RECORD) if record_among_others(path.parent) is not None]
            times = [path.stat().st_mtime for path in records]
            if times:
                found[folder.relative_to(work).as_posix()] = max(times)
    return found
