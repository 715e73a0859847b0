"""Where a run's classifiers look, as it is laid over a series: by whom it is answered, and where it lies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from conftest import Work
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.study_view import SliceAnswers
from hounsfield.core.imaging.boxes import Box, crop_to_square, resize
from hounsfield.core.imaging.heat import GRID, Cut, activation_heats, on_whole_slice
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.storage.image_files import image_path, read_image
from hounsfield.core.training.backbones import build_network
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, ClassifierConfig, HemorrhageConfig
from hounsfield.hemorrhage.study_view import open_view


@pytest.fixture(scope="module")
def view(finished: Work) -> SliceAnswers:
    stage = Stage(HemorrhageConfig, "", DEFAULT_CONFIG, role="applies")
    return open_view(parse(stage_parser(stage), stage, list(finished.arguments)))


@pytest.fixture(scope="module")
def slices(finished: Work) -> pd.DataFrame:
    return pd.read_parquet(finished.folder / "data/phantom/slices.parquet")


def maps_by_hand(work: Work, own: pd.DataFrame, fold: int) -> np.ndarray:
    """By the classifier of one fold after its last epoch: last features weighted by the last layer, (n, 6, G, G).

    The head is a mean over places and a linear layer, so the weights of a class are its row of that layer, over places.
    """
    config = ClassifierConfig(size=64)
    network = build_network("test_resnet", 6)
    network.load_state_dict(load_file(work.folder / f"checkpoints/hemorrhage/mini/fold{fold}/epoch1.safetensors"))
    found = []
    for one in own.to_dict("records"):
        image = read_image(image_path(work.folder / "data/phantom/images", one["image_id"]))
        box = Box(*(int(one[name]) for name in ("x0", "y0", "x1", "y1")))
        seen = resize(crop_to_square(image, box), 64) / 255
        scaled = torch.from_numpy((seen - config.mean) / config.std).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            features = network.eval().forward_features(scaled)[0]
            maps = torch.einsum("ck,kij->cij", network.get_classifier().weight, features).relu()
        cells = features.shape[-1] * features.shape[-2]
        found.append(on_whole_slice(maps.numpy() / cells, Cut(box, one["rows"], one["columns"])))
    return np.stack(found)


def heats(view: SliceAnswers, own: pd.DataFrame) -> np.ndarray:
    """(n, 6, G, G) of one series."""
    study = view.findings(own["study_uid"].iloc[0])
    overlays = view.overlays(study.study, study.series[0].series)
    assert [one.label for one in overlays] == list(CLASSES)
    assert study.series[0].slices["image_id"].tolist() == own["image_id"].tolist()
    return np.stack([one.values for one in overlays], axis=1)


def as_shown(maps: np.ndarray) -> np.ndarray:
    return np.stack([one.values for one in activation_heats("", maps, CLASSES)], axis=1)


def test_a_series_out_of_fold_shows_where_the_classifier_looks_that_has_not_seen_its_patient(
    finished: Work, view: SliceAnswers, slices: pd.DataFrame
) -> None:
    for fold in (0, 1):
        first = slices[slices["fold"] == fold]["series"].iloc[0]
        own = slices[slices["series"] == first]
        found = heats(view, own)
        assert found.shape == (len(own), 6, GRID, GRID)
        assert found.any()
        np.testing.assert_allclose(found, as_shown(maps_by_hand(finished, own, fold)), atol=1)
        assert not np.allclose(found, as_shown(maps_by_hand(finished, own, 1 - fold)), atol=1)


def test_a_test_series_shows_the_mean_over_all_classifiers(
    finished: Work, view: SliceAnswers, slices: pd.DataFrame
) -> None:
    own = slices[slices["series"] == slices[slices["split"] == "test"]["series"].iloc[0]]
    mean = (maps_by_hand(finished, own, 0) + maps_by_hand(finished, own, 1)) / 2
    np.testing.assert_allclose(heats(view, own), as_shown(mean), atol=1)
