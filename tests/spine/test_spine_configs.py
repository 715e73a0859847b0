"""The published experiment as it ships, held against the specification's tables; and slips that must not come back."""

from __future__ import annotations

from typing import Any

import pytest
import timm

from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.spine.config import DEFAULT_CONFIG, NetworkConfig, SpineConfig
from hounsfield.spine.training import EPSILON
from programs import REPOSITORY

CONFIGS = REPOSITORY / "configs" / "spine"
STAGE = Stage(SpineConfig, "", DEFAULT_CONFIG)
# section 9 of the specification: the published networks by their names of today
B1, RESNEST, V2, SERESNEXT = (
    "efficientnet_b1.ft_in1k", "resnest50d.in1k", "efficientnetv2_rw_m.agc_in1k", "seresnext50_32x4d.racm_in1k",
)  # fmt: skip
UIDS = tuple(f"1.2.826.0.1.3680043.{last}" for last in ("20574", "29952"))  # section 1: known bad scans
# section 3: features of the slice network, crop, batch x accumulation, epochs; what is special
RATIO_MODELS: dict[str, tuple[Any, ...]] = {
    "full": (RESNEST, 2048, False, 2, 8, 3, 0.0, True),  # 02G
    "cropped": (RESNEST, 2048, True, 2, 8, 3, 0.0, False),  # 04A
    "sparse": (V2, 2152, True, 1, 16, 2, 0.6, False),  # 04F
}
# section 4: features, seeds on all studies; batch 3 x accumulation 16, 3 epochs
FRACTURE_MODELS = {"resnest": (RESNEST, 2048, 6), "seresnext": (SERESNEXT, 2048, 4)}


def config_of(experiment: str) -> SpineConfig:
    return parse(stage_parser(STAGE), STAGE, ["--config", str(CONFIGS / f"{experiment}.yaml")]).config


@pytest.fixture(scope="module")
def published() -> SpineConfig:
    return config_of("published")


def values_of(section: Any, names: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(section, name) for name in names}


def networks_of(config: SpineConfig) -> list[NetworkConfig]:
    models = (*config.vertebrae.models, *config.fracture.models)
    return [config.boxes.network, *(model.network for model in models)]


def test_what_the_published_file_leaves_out_is_published_too(published: SpineConfig) -> None:
    """The file states the numbers, and the dataclasses hold the same: a copy that drops a line changes nothing."""
    assert published == SpineConfig()


def test_the_data_are_windowed_and_cut_as_published(published: SpineConfig) -> None:
    centre, width = 400, 1800  # section 1
    assert (published.intensity.low, published.intensity.high) == (centre - width / 2, centre + width / 2)
    windows = {"slices": 96, "train_step": 12, "predict_step": 16}  # section 3
    assert values_of(published.windows, windows) == windows
    assert (published.folds, published.excluded, published.prepare.fold_count) == ((0, 1, 2, 3, 4), UIDS, 5)


def test_the_localiser_has_the_published_numbers(published: SpineConfig) -> None:
    section_2 = {
        "seeds": (0, 1, 2), "box_weight": 0.8, "label_smoothing": 0.05, "presence": 0.5, "smoothing": 5,
        "range_presence": 0.1, "batch_size": 256, "fallback_box": (0.2, 0.2, 0.8, 0.8),
    }  # fmt: skip
    optimizer = {
        "learning_rate": 2e-4, "weight_decay": 0, "epochs": 15, "batch_size": 32, "accumulate": 1, "warm_up": 0.1
    }  # fmt: skip
    assert values_of(published.boxes, section_2) == section_2
    assert values_of(published.boxes.optimizer, optimizer) == optimizer
    assert published.boxes.network.backbone == B1


def test_the_ratio_networks_have_the_published_numbers(published: SpineConfig) -> None:
    shared = {"learning_rate": 3e-4, "weight_decay": 5e-4, "warm_up": 0.1}
    assert [model.name for model in published.vertebrae.models] == list(RATIO_MODELS)
    for model in published.vertebrae.models:
        backbone, _, crop, batch, accumulate, epochs, sparse, keeps = RATIO_MODELS[model.name]
        assert (model.network.backbone, model.crop, model.sparse, model.keeps_bad_scans) == (
            backbone, crop, sparse, keeps
        )  # fmt: skip
        own = {**shared, "batch_size": batch * accumulate, "accumulate": accumulate, "epochs": epochs}
        assert values_of(model.optimizer, own) == own
    assert (len(published.vertebrae.seeds), published.vertebrae.head_dropout) == (3, 0.1)


def test_the_fracture_networks_have_the_published_numbers(published: SpineConfig) -> None:
    optimizer = {
        "learning_rate": 3e-4, "weight_decay": 5e-4, "epochs": 3, "batch_size": 3 * 16, "accumulate": 16, "warm_up": 0.1
    }  # fmt: skip
    assert [model.name for model in published.fracture.models] == list(FRACTURE_MODELS)
    for model in published.fracture.models:
        backbone, _, seeds = FRACTURE_MODELS[model.name]
        assert (model.network.backbone, model.seeds) == (backbone, tuple(range(seeds)))
        assert values_of(model.optimizer, optimizer) == optimizer


def test_the_study_networks_have_the_published_numbers(published: SpineConfig) -> None:
    section_5 = {"hidden": 2048, "steps": 192, "margin": 2, "chunk": 64}
    optimizer = {
        "learning_rate": 1e-3, "weight_decay": 5e-4, "epochs": 3, "batch_size": 8, "accumulate": 1, "warm_up": 0.1
    }  # fmt: skip
    assert values_of(published.study, section_5) == section_5
    assert values_of(published.study.optimizer, optimizer) == optimizer
    assert EPSILON == 1e-6  # of every network's AdamW
    assert all(network.size == 512 for network in networks_of(published))


def test_slips_of_the_published_code_are_mended_unless_they_are_asked_for(published: SpineConfig) -> None:
    """Defects 6, 7, 9, 10, 15, 19 and 26: each has a switch, and stands where it is right."""
    assert published.boxes.reversed_channels == 0.5
    assert (published.windows.position, published.windows.threshold) == ("true", 5e-4)
    assert (published.study.train_statistics, published.intensity.scaling) == (False, "fixed")
    assert published.boxes.refit and published.fracture.refit
    back = [
        *("--windows.position", "ordinal", "--boxes.reversed_channels", "1", "--study.train_statistics", "true"),
        *("--intensity.scaling", "slice", "--vertebrae.decimals", "3", "--windows.threshold", "0"),
    ]
    config = parse(stage_parser(STAGE), STAGE, ["--config", str(DEFAULT_CONFIG), *back]).config
    assert (config.windows.position, config.boxes.reversed_channels, config.vertebrae.decimals) == ("ordinal", 1, 3)


@pytest.mark.parametrize("experiment", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_every_network_of_a_shipped_experiment_exists_and_fetches_nothing_unasked(experiment: str) -> None:
    for network in networks_of(config_of(experiment)):
        assert timm.is_model(network.backbone.partition(".")[0])
        assert (network.weights, network.download) == (None, False)
        name, _, tag = network.backbone.partition(".")
        assert not tag or network.backbone in timm.list_pretrained(f"{name}.*")


def test_the_published_slice_networks_have_the_published_number_of_features() -> None:
    """What a recurrent network's size follows from: 2080 = 2048 + 2 x 16 for 02G and 04A, 2184 = 2152 + 2 x 16."""
    features = {backbone: count for backbone, count, *_ in (*RATIO_MODELS.values(), *FRACTURE_MODELS.values())}
    found = {name: timm.create_model(name, num_classes=0).num_features for name in features}
    assert found == features


def test_the_quickstart_is_small_and_trains_nothing_twice() -> None:
    config = config_of("quickstart")
    assert config.data_set == "phantom_necks"
    assert not config.boxes.refit and not config.fracture.refit
    assert max(network.size for network in networks_of(config)) <= 96
