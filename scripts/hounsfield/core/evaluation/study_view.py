"""What each system offers of its predicted studies: numbers, pixels and overlays, a study at a time.

A system has a module `study_view` with the functions of `Adaptor`. Programs put them together with files and pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hounsfield.core.evaluation.study_findings import StudyFindings
from hounsfield.core.imaging.series_view import Overlay, SeriesPixels
from hounsfield.core.stages.command import Command
from hounsfield.core.stages.upstream import Upstream


class ReadPrepare(Protocol):
    """The program that prepares the system's data sets."""

    def __call__(self, argv: Sequence[str], /) -> Command[Any]:
        """Read its command line."""

    def prepare(self, command: Command[Any], /) -> None:
        """Prepare what a command line names, for a system that cannot import the stage itself."""


class StudyView(Protocol):
    """The finished answers of one run for one data set. Studies and series are named by their pseudonyms."""

    @property
    def answers(self) -> Upstream:
        """The finished folder that they come from."""

    @property
    def studies(self) -> Sequence[str]:
        """The studies that are answered, in the order of the data set."""

    def findings(self, study: str) -> StudyFindings:
        """All numbers and words of one study, its series in order."""

    def pixels(self, study: str, series: str) -> SeriesPixels:
        """The slices of one series, in the order of its findings.

        Raises MissingInput where their files have gone, BadInput where they are not those that were prepared.
        """

    def overlays(self, study: str, series: str) -> Sequence[Overlay]:
        """What can be laid over the slices of one series; nothing where the system sees nothing but classes."""


class Adaptor(Protocol):
    """The functions of a system's module `study_view`. command: of that system, its data set applied or its own."""

    def models_of(self, command: Command[Any], /) -> Sequence[Upstream]:
        """Every model that the run answers with. Raises MissingInput or StaleOutput where one is not there."""

    def predict_paths(self, command: Command[Any], paths: Sequence[str], read_prepare: ReadPrepare, /) -> StudyView:
        """Prepare and predict what the paths hold, and open the answers.

        Raises MissingInput before a file is read where a model is missing.
        """

    def open_view(self, command: Command[Any], /) -> StudyView:
        """The answers that are there for the command's data set: its own (out of fold, and test) or an applied one.

        Raises MissingInput or StaleOutput, with the commands, where they are not there or out of date.
        """
