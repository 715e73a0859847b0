from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import Command, parse, save_config, stage_parser
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from programs import REPOSITORY

CONFIGS = sorted((REPOSITORY / "configs" / "stacking").glob("*.yaml"))


def parsed(config: Path, *options: str) -> Command[StackingConfig]:
    parser = stage_parser(StackingConfig, "a stage", default_config=DEFAULT_CONFIG)
    return parse(parser, StackingConfig, default_config=DEFAULT_CONFIG, argv=["--config", str(config), *options])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_experiment_is_read_and_its_folds_and_epochs_exist(config: Path) -> None:
    experiment = parsed(config).config
    assert max(experiment.folds) < experiment.data.fold_count
    assert max(experiment.prediction.epochs) < experiment.training.epochs
    assert len({network.name for network in experiment.networks}) == len(experiment.networks)


def test_the_published_experiment_is_the_configuration_as_it_stands() -> None:
    assert parsed(DEFAULT_CONFIG).config == StackingConfig()


def test_a_saved_configuration_reads_back_as_it_was(tmp_path: Path) -> None:
    config = parsed(CONFIGS[-1], "--training.epochs", "7").config
    save_config(tmp_path / "again.yaml", config)
    assert parsed(tmp_path / "again.yaml").config == config


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("{class_path: subprocess.Popen, init_args: {args: [touch, TOUCHED]}}", "subprocess"),
        ("{class_path: hounsfield.stacking.config.StackingConfig}", "NetworkConfig"),
        ("{name: a, backbone: b, size: 64, seed: 1, hu_noise: 0, hu_noise_predicting: 0, colour: red}", "colour"),
        ("{name: a, backbone: b, size: wide, seed: 1, hu_noise: 0, hu_noise_predicting: 0}", "wide"),
        ("{name: a}", "backbone"),
    ],
)
def test_a_network_is_nothing_but_its_own_values(tmp_path: Path, item: str, message: str) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_text(f"networks:\n  - {item}\n".replace("TOUCHED", str(tmp_path / "touched")))
    with pytest.raises(WrongUse, match=rf"(?s)hostile\.yaml.*{message}"):
        parsed(path)
    assert not (tmp_path / "touched").exists()
