from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.stages.upstream import Upstream
from hounsfield.spine.commands import SpineCommand, folds_to_train, remedies
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig

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
