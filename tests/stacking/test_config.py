from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import Command, Stage, parse, stage_parser
from hounsfield.core.stages.configuration import save_config
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from programs import REPOSITORY

CONFIGS = sorted((REPOSITORY / "configs" / "stacking").glob("*.yaml"))


def parsed(config: Path, *options: str) -> Command[StackingConfig]:
    stage = Stage(StackingConfig, "a stage", DEFAULT_CONFIG)
    return parse(stage_parser(stage), stage, ["--config", str(config), *options])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_experiment_is_read_and_its_folds_and_epochs_exist(config: Path) -> None:
    experiment = parsed(config).config
    assert max(experiment.folds) < experiment.data.fold_count
    assert max(experiment.prediction.epochs) < experiment.training.epochs
    assert len({network.name for network in experiment.networks}) == len(experiment.networks)


def test_the_default_experiment_is_the_configuration_as_it_stands() -> None:
    assert parsed(DEFAULT_CONFIG).config == StackingConfig()


def test_the_published_experiment_has_every_published_number_and_choice() -> None:
    config = parsed(DEFAULT_CONFIG.with_name("published.yaml")).config
    assert asdict(config.data) == {
        "brain_diff_above": 60, "fold_count": 8, "fold_seed": 300, "fold_without_brain": "none", "bad_share": 0.2
    }  # fmt: skip
    assert [(n.backbone.split(".")[0], n.size, n.seed, n.hu_noise, n.hu_noise_predicting) for n in config.networks] == [
        ("legacy_seresnext50_32x4d", 512, 30, 0.06, 0.05),
        ("legacy_seresnext101_32x4d", 480, 40, 0.05, 0.04),
    ]
    training = config.training
    assert (training.mean, training.std) == ((13.197, 7.179, -78.954), (24.509, 55.063, 113.127))
    assert (training.crop_scale, training.rotation, training.rotation_probability) == ((0.7, 1), 30, 0.5)
    assert (training.noise_probability, training.batch_size, training.drop_last_batch) == (0.9, 28, True)
    assert (training.epochs, training.precision, training.learning_rate_steps) == (4, "fp16", (1, 2, 3))
    rates = [training.learning_rate * training.learning_rate_factor**epoch for epoch in range(4)]
    assert rates == pytest.approx([1.4e-4, 6e-5, 2.57e-5, 1.10e-5], rel=2e-3)
    prediction = config.prediction
    assert (prediction.epochs, prediction.passes, prediction.crop_scale) == ((2, 3), 5, (0.75, 1))
    assert (prediction.rotation, prediction.rotation_probability, prediction.noise_probability) == (25, 0.5, 0.7)
    assert prediction.precision == "fp32"
    second = config.second_level
    assert (second.neighbours, second.before_first, second.study_mean) == (9, "wrapped", "last_class")
    assert asdict(second.lightgbm) == {
        "num_leaves": 30, "max_depth": 5, "min_child_samples": 5, "learning_rate": 0.02, "bagging_fraction": 0.7,
        "bagging_freq": 2, "feature_fraction": 0.9, "lambda_l1": 0.9, "lambda_l2": 0.9, "seed": 20, "bagging_seed": 11,
        "rounds": 5000, "patience": 100,
    }  # fmt: skip
    assert asdict(second.catboost) == {
        "depth": 4, "learning_rate": 0.02, "random_seed": 42, "rounds": 20000, "patience": 100
    }  # fmt: skip
    assert asdict(second.xgboost) == {
        "max_depth": 5, "learning_rate": 0.08, "colsample_bytree": 0.9, "subsample": 0.9, "tree_method": "exact",
        "seed": 0, "rounds": 500, "patience": 50,
    }  # fmt: skip
    assert asdict(config.submission) == {"clip": 1e-6, "missing": "smallest"}


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
