"""The published experiments as they ship, held against the specification's table; and slips that must not come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.pneumothorax.config import DEFAULT_CONFIG, PartConfig, PneumothoraxConfig
from hounsfield.pneumothorax.part_run import check_parts
from hounsfield.pneumothorax.rules import least_pixels
from programs import REPOSITORY

CONFIGS = REPOSITORY / "configs" / "pneumothorax"
STAGE = Stage(PneumothoraxConfig, "", DEFAULT_CONFIG)
PUBLISHED = ("albunet_public", "albunet_valid", "resnet50", "seunet")
# the specification's section 6, slips mended: bce, dice, focal; normalised; shares of positives of the four parts
LOSSES = {"albunet_public": (1, 1, 1), "albunet_valid": (3, 1, 4), "resnet50": (2, 1, 2), "seunet": (3, 1, 4)}
SHARES = {
    "albunet_public": (0.8, 0.6, 0.4, 0.4),
    "albunet_valid": (0.8, 0.6, 0.4, 0.4),
    "resnet50": (0.8, 0.6, 0.4, 0.5),
    "seunet": (0.8, 0.6, 0.4, 0.5),
}
SHARED: dict[str, Any] = {"size": 1024, "batch_size": 2, "accumulate": 1, "freeze_encoder": False, "kept": "best"}
FIRST: dict[str, Any] = {
    "learning_rate": 1e-4, "schedule": "plateau", "epochs": 50, "patience": 10, "top": 5, "plateau_factor": 0.1,
    "plateau_patience": 2, "lowest_learning_rate": 1e-7, "weight_decay": 5e-6, "extra_films": False, "start": "initial",
}  # fmt: skip
LATER: dict[str, Any] = {
    "learning_rate": 1e-5, "schedule": "cosine", "epochs": 50, "patience": 12, "top": 3, "cosine_epochs": 8,
    "lowest_learning_rate": 1e-7, "weight_decay": 5e-6, "extra_films": False,
}  # fmt: skip


def config_of(experiment: str) -> PneumothoraxConfig:
    return parse(stage_parser(STAGE), STAGE, ["--config", str(CONFIGS / f"{experiment}.yaml")]).config


def settings_of(part: PartConfig, names: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(part, name) for name in names}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_experiment_can_be_trained_or_is_a_blend_of_such(path: Path) -> None:
    config = config_of(path.stem)
    if config.blend:
        assert {member.experiment for member in config.blend} == set(PUBLISHED)
        with pytest.raises(WrongUse, match="a blend trains nothing"):
            check_parts(config)
    else:
        check_parts(config)


@pytest.mark.parametrize(
    ("blend", "weights", "top", "pixels"),
    [("blend_v1", (0.4, 0.2, 0.2, 0.2), 0.7, 800), ("blend_v2", (0.2, 0.15, 0.4, 0.25), 0.75, 1500)],
)
def test_a_published_blend_has_the_published_numbers(blend, weights, top, pixels) -> None:
    config = config_of(blend)
    assert tuple(member.weight for member in config.blend) == weights
    rule, submission = config.submission.triplet, config.submission
    assert (rule.top, rule.bottom, least_pixels(rule, 1024 * 1024)) == (top, 0.3, pixels)
    assert (submission.regions, submission.least_region * 1024 * 1024, submission.most_regions) == (
        "contours",
        100,
        False,
    )


@pytest.mark.parametrize("experiment", PUBLISHED)
def test_a_published_experiment_has_the_published_numbers(experiment: str) -> None:
    config = config_of(experiment)
    loss, training = config.training.loss, config.training
    assert (loss.bce, loss.dice, loss.focal) == LOSSES[experiment]
    assert (training.clip_norm, config.seed, config.prepare.image_size) == (0.1, 42, 1024)
    assert tuple(part.positive_share for part in training.parts) == SHARES[experiment]
    first, *later = training.parts
    assert settings_of(first, SHARED | FIRST) == SHARED | FIRST
    for number, part in enumerate(later, 1):
        expected = {**SHARED, **LATER, "start": f"part{number - 1}"}
        if number == 3:
            expected |= {"epochs": 40, "extra_films": True}
            if experiment == "seunet":
                expected |= {"weight_decay": 5e-7, "lowest_learning_rate": 1e-8}
        assert settings_of(part, expected) == expected


@pytest.mark.parametrize(
    ("experiment", "network", "encoder", "rule", "pixels", "leak"),
    [
        ("albunet_public", "albunet", "resnet34.tv_in1k", (0.75, 0.4), 800, 0.15),
        ("albunet_valid", "albunet", "resnet34.tv_in1k", (0.75, 0.4), 800, 0.15),
        ("resnet50", "unet", "resnet50.tv_in1k", (0.75, 0.4), 1000, 0.15),
        ("seunet", "scse_unet", "legacy_seresnext50_32x4d.in1k", (0.7, 0.25), 1000, 0.25),
    ],
)
def test_a_published_experiment_has_the_published_network_and_submission(
    experiment: str, network: str, encoder: str, rule: tuple[float, float], pixels: int, leak: float
) -> None:
    config = config_of(experiment)
    assert (config.network.name, config.network.encoder, config.network.decoder_channels) == (network, encoder, None)
    submission, triplet = config.submission, config.submission.triplet
    assert ((triplet.top, triplet.bottom), least_pixels(triplet, 1024 * 1024)) == (rule, pixels)
    assert (submission.leak, submission.regions) == (leak, "all")
    assert (config.maps.part, config.maps.top, config.maps.flip) == (None, 3, True)


@pytest.mark.parametrize("experiment", PUBLISHED)
def test_the_eight_rules_of_an_epochs_score_are_the_published_ones(experiment: str) -> None:
    pixels = 1024 * 1024
    found = [(one.top, one.area * pixels, one.bottom) for one in config_of(experiment).training.triplets]
    pairs = [(0.75, 1000), (0.75, 2000), (0.6, 2000), (0.6, 3000)]
    assert found == [(top, area, bottom) for top, area in pairs for bottom in (0.3, 0.4)]


def test_the_shares_of_positives_of_albunet_public_fall_from_part_to_part() -> None:
    shares = [part.positive_share for part in config_of("albunet_public").training.parts]
    assert shares == sorted(shares, reverse=True)


def test_one_normalisation_holds_for_all_parts_of_an_experiment() -> None:
    """There is one switch for the network, and none in a part, so that no part can be trained otherwise."""
    assert {name: config_of(name).network.normalise for name in PUBLISHED} == {
        "albunet_public": False, "albunet_valid": False, "resnet50": True, "seunet": False
    }  # fmt: skip
    assert "normalise" not in PartConfig.__dataclass_fields__


def test_a_part_must_say_what_it_starts_from() -> None:
    with pytest.raises(TypeError, match="start"):
        PartConfig()  # type: ignore[call-arg]


@pytest.mark.parametrize("experiment", PUBLISHED)
def test_no_experiment_fetches_weights_unasked(experiment: str) -> None:
    assert config_of(experiment).network.download is False
    assert config_of(experiment).network.weights is None
