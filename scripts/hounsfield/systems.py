"""The systems by name, for the programs that know several; a system's modules are imported when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:  # a program reads its command line before it waits for pandas
    from hounsfield.core.evaluation.study_view import Adaptor, ReadPrepare
    from hounsfield.core.stages.command import Command


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
        System("hemorrhage", "HemorrhageConfig", "rsna2019_prepare"),
        System("stacking", "StackingConfig", "rsna2019_prepare"),
        System("spine", "SpineConfig", "rsna2022_prepare"),
        System("pneumothorax", "PneumothoraxConfig", "siim2019_prepare"),
    )
}
