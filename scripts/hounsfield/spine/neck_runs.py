"""What stages 52 and 53 share: networks that learn from segmented studies, and answers by those of a study's fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.tables import TEST_FOLD
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.out_of_fold import UNSEEN, ByDesign, check_seen
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import ALL, applied_to
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.outputs import Output, output, to_replace
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.batches import Images
from hounsfield.core.training.by_fold import fill_by_fold
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.spine.config import SpineConfig
from hounsfield.spine.nested import Folds
from hounsfield.spine.network_run import NetworkRun, NetworkT, Trained, with_weights
from hounsfield.spine.remedies import SpineCommand

BLOCK_BATCHES = 16  # batches written at a time
RunT = TypeVar("RunT", bound="NeckRun")


class NeckRun(NetworkRun):
    """A network of stage 52 or 53."""

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs."""
        return {**super().settings(), "optimizer": plain(self.key.model.optimizer)}

    def split(self, studies: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The segmented studies to train on, and those of the folds kept apart, none for `all`; no patient is in both.

        studies: the table of the data set. Raises BadInput where there is none to train on.
        """
        segmented = studies[(studies["split"] == "train") & studies["has_segmentation"]]
        in_fold = segmented["fold"].isin(self.key.held_out)
        train = segmented[~in_fold & ~segmented["study_uid"].isin(list(self.excluded))]
        if train.empty:
            raise BadInput(
                f"{self.key.name}: the data set has no segmented study to train on outside of the validation fold; "
                "prepare it with its segmentations, or with more folds"
            )
        return train, segmented[in_fold]


def train_runs(
    runs: Iterable[tuple[RunT, Mapping[str, Upstream]]],
    train: Callable[[RunT, Output, Course], tuple[list[str], Ledger]],
    studies: pd.DataFrame,
    devices: Devices,
    *,
    force: bool,
) -> None:
    """Train the networks that are not there yet.

    With `force`, those that were made from something else are trained again; the others stay, since the stage ends in
    a table that may depend on more than they do.
    runs: each with what it is made from. train: trains one, and gives its files' names and whom it has learnt from.
    studies: the table of the data set. Raises BadInput, before the first is trained, where one has none to train on.
    """
    planned = [(run, run.provenance(inputs)) for run, inputs in runs]
    for run, _ in planned:
        run.split(studies)
    pairs = sum(len(run.key.held_out) > 1 for run, _ in planned)
    if pairs:
        logger.info("nested: %d networks for pairs of folds, beside the usual %d", pairs, len(planned) - pairs)
    replaced = {run.folder for run, provenance in planned if force and to_replace(run.folder, provenance)}
    course = Course([run.planned for run, _ in planned], force=False, again=replaced)
    for run, provenance in planned:
        anew = run.folder in replaced
        with output(run.folder, provenance, force=anew, remedy=run.remedy, processes=devices) as out:
            if out.finished:
                logger.info("%s: nothing to do, it is trained", run.key.name)
                continue
            files, learned = train(run, out, course)
            out.finish(files, learned=learned)


def write_answers(
    path: Path,
    images: Images,
    folds: np.ndarray,
    by_fold: Mapping[int, Iterable[Trained[RunT]]],
    build: Callable[[RunT], NetworkT],
    predict: Callable[[list[NetworkT], Any], np.ndarray],
    devices: Devices,
    *,
    workers: int,
    batch_size: int,
) -> None:
    """Write what networks say of images to `path`, of each those of its fold; a killed run goes on.

    folds: (N,) of each image, which stand fold by fold. predict: what networks say of a batch on the device, (B, ...).
    Raises BadInput where weights are not those that were trained, or networks give no numbers.
    """

    def networks_of(fold: int) -> list[NetworkT]:
        found = [with_weights(build(run), trained) for run, trained in by_fold[fold]]
        for network in found:
            devices.place(network)
        return found

    fill_by_fold(
        path, images, folds, networks_of, predict, devices,
        workers=workers, batch_size=batch_size, block_batches=BLOCK_BATCHES,
        remedy="try --precision fp32, or train again",
    )  # fmt: skip


def answering(command: SpineCommand, runs: Iterable[RunT]) -> list[Trained[RunT]] | None:
    """Networks as they were trained; None, with a word on it, where `--fold` left out some that are not there yet.

    Raises MissingInput or StaleOutput, with the command that trains them.
    """
    try:
        return [Trained(run, run.network()) for run in runs]
    except (MissingInput, StaleOutput) as error:
        if applied_to(command) or not command.arguments.get("fold"):
            raise
        logger.info("nothing is predicted yet, since not all folds are trained: %s", error)
        return None


def check_folds(config: SpineConfig, studies: pd.DataFrame) -> None:
    """Raise WrongUse where studies lie in folds of which the configuration trains no networks."""
    unanswered = sorted(set(studies.loc[studies["split"] == "train", "fold"]) - set(config.folds))
    if unanswered:
        raise WrongUse(
            f"folds {' '.join(map(str, config.folds))}: each study is answered by networks of its own fold, and those "
            f"of fold {' '.join(map(str, unanswered))} are missing; give all of the data set's as `folds` of the YAML"
        )


def answers_ledger(
    by_fold: Mapping[int, Iterable[Trained[RunT]]], also: Callable[[int], Ledger] | None = None
) -> Ledger:
    """Whom the networks have seen that answer for the studies of each fold; those without labels are part `foldall`.

    also: what else their answers rest on, by fold.
    """
    parts = []
    for fold, networks in by_fold.items():
        seen = [one.output.learned() for one in networks] + ([] if also is None else [also(fold)])
        parts.append(Ledger.joined(seen).as_part(fold_part(ALL if fold == TEST_FOLD else fold)))
    return Ledger.joined(parts)


def refuse_seen(what: str, ledger: Ledger, studies: pd.DataFrame, remedy: str, without: Folds = ()) -> None:
    """Raise BadInput where a study with labels would be answered by networks that were trained on its patient.

    That its patient's segmentation was seen by networks whose boxes others were trained on, is the published recipe.
    without: folds whose patients nothing may have seen in any way, whichever studies it answers for; then these count.
    """
    labelled, allowed = studies[studies["split"] == "train"], ByDesign(roles=("upstream",))
    if without:
        labelled, ledger, allowed = labelled[labelled["fold"].isin(without)], ledger.upstream_of(), UNSEEN
    patients = labelled["patient_id"].to_numpy()
    seen = ledger.roles_by_fold(patients, labelled["fold"].to_numpy())
    check_seen(what, patients, seen, allowed, f"{remedy} --force")


def check_seeds(option: str, seeds: tuple[int, ...]) -> None:
    """Raise WrongUse unless there is a seed, and each is another one."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise WrongUse(f"{option} {list(seeds)}: give one seed or more, each once")
