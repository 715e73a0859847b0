from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.devices import Devices
from hounsfield.spine import training
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig
from hounsfield.spine.remedies import SpineCommand, folds_to_train, remedies

DATA = Upstream(Path("data"), Path(), {"settings": {"fold_count": 5}}, "")


def command(*words: str, role: str = "trains") -> SpineCommand:
    stage = Stage(SpineConfig, "", DEFAULT_CONFIG, role=role, single=True)
    return parse(stage_parser(stage), stage, ["--config", str(DEFAULT_CONFIG), *words])


def test_every_fold_is_trained_and_then_a_network_of_all_studies() -> None:
    assert folds_to_train(command(), DATA, refit=True) == ["0", "1", "2", "3", "4", "all"]
    assert folds_to_train(command(), DATA, refit=False) == ["0", "1", "2", "3", "4"]


def test_a_fold_that_is_named_is_trained_alone() -> None:
    assert folds_to_train(command("--fold", "1", "3"), DATA, refit=True) == ["1", "3"]
    assert folds_to_train(command("--fold", "all"), DATA, refit=False) == ["all"]
    with pytest.raises(WrongUse, match="fold 5: there are 5"):
        folds_to_train(command("--fold", "5"), DATA, refit=True)


def test_the_remedy_of_a_training_does_not_name_a_data_set_that_is_only_predicted() -> None:
    given = command("--apply-to", "own", role="applies")
    assert "DATA_SET=own" in remedies(given)("run_52_spine_boxes")
    assert "DATA_SET" not in remedies(given)("run_54_spine_fracture")


def test_a_list_on_the_command_line_stays_a_list_and_a_mistyped_key_is_named() -> None:
    """Defect 28: lists were split into their characters, and what was mistyped was ignored."""
    assert command("--boxes.seeds", "[3, 41]", "--excluded", "['1.2.3']").config.boxes.seeds == (3, 41)
    assert command("--excluded", "['1.2.3', '4.5']").config.excluded == ("1.2.3", "4.5")
    with pytest.raises(WrongUse, match=r"--boxes\.sedes"):
        command("--boxes.sedes", "3")


class Planned(Exception):
    """Steps and the share of them that the learning rate rises for."""


def test_the_warm_up_follows_the_epochs_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 28: it was counted before the command line's epochs were known."""

    def planned(_optimizer: object, steps: int, warm_up: float) -> Any:
        raise Planned(steps, warm_up)

    monkeypatch.setattr(training, "warm_up_cosine", planned)
    config = command("--study.optimizer.epochs", "7", "--study.optimizer.batch_size", "4").config
    task: training.NetworkTask[Any] = training.NetworkTask(
        "study", lambda: nn.Linear(1, 1), start=None, loss=None, optimizer=config.study.optimizer, seeds=(1,)
    )
    with pytest.raises(Planned) as found:
        training.train_network(task, range(10), None, config, Devices(torch.device("cpu"), 0, 1, None), None)
    assert found.value.args == (7 * 3, 0.1)  # ten studies are three batches
