from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import BadInput
from hounsfield.core.storage.image_files import store_image
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.stacking.config import SE_RESNEXT50, NetworkConfig, PredictionConfig, TrainingConfig
from hounsfield.stacking.hu_images import encode_hu, hu_path
from hounsfield.stacking.images import (
    HuFolder,
    normalise,
    open_prediction_images,
    open_training_images,
    open_whole_images,
    prediction_seed,
    three_windows,
)

NETWORK = NetworkConfig(name="tiny", backbone="test_resnet", size=48, seed=30, hu_noise=0.06, hu_noise_predicting=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hu")


@pytest.fixture(scope="module")
def slices(folder: Path) -> pd.DataFrame:
    """Six slices of 64 x 64, the last two without labels."""
    draws = np.random.default_rng(0)
    names = [f"ID_{number:09x}" for number in range(6)]
    images = draws.integers(-150, 231, (6, 64, 64)).astype(np.int16)
    checksums = [
        store_image(hu_path(folder, name), encode_hu(image)) for name, image in zip(names, images, strict=True)
    ]
    frame = pd.DataFrame(draws.integers(0, 2, (6, 6)).astype(float), columns=list(CLASSES))
    frame.loc[4:, list(CLASSES)] = np.nan
    return frame.assign(image_id=names, hu_crc32=checksums)


def test_the_windows_clip_hounsfield_units_and_do_not_scale_them() -> None:
    hu = np.array([[-150, -20, 0, 40, 80, 180, 230]], np.int16)
    image = three_windows(hu)
    assert image.dtype == np.float32
    assert image[0, :, 0].tolist() == [0, 0, 0, 40, 80, 80, 80]
    assert image[0, :, 1].tolist() == [-20, -20, 0, 40, 80, 180, 180]
    assert image[0, :, 2].tolist() == [-150, -20, 0, 40, 80, 180, 230]


def test_a_slice_is_three_windows_of_the_networks_size_and_its_six_labels(slices: pd.DataFrame, folder: Path) -> None:
    images = open_training_images(slices, HuFolder(folder, "sh remedy"), NETWORK, TrainingConfig(), CLASSES)
    assert len(images) == 6
    assert images.image_ids(np.array([5, 0])) == [slices["image_id"][5], slices["image_id"][0]]
    image, labels = images[2, 5]
    assert (image.shape, image.dtype) == ((48, 48, 3), torch.float32)
    assert (labels.shape, labels.dtype) == ((6,), torch.float32)
    assert labels.isnan().all()
    assert np.array_equal(images.labels, slices[list(CLASSES)].to_numpy(np.float32), equal_nan=True)


def test_what_is_drawn_depends_on_epoch_and_slice_and_not_on_the_other_slices(
    slices: pd.DataFrame, folder: Path
) -> None:
    images = open_training_images(slices, HuFolder(folder, "sh remedy"), NETWORK, TrainingConfig())
    some = open_training_images(slices.iloc[3:], HuFolder(folder, "sh remedy"), NETWORK, TrainingConfig())
    assert torch.equal(some[7, 0][0], images[7, 3][0])
    assert torch.equal(images[7, 3][0], images[7, 3][0])
    assert not torch.equal(images[8, 3][0], images[7, 3][0])


def test_the_whole_slice_is_the_same_in_every_pass(slices: pd.DataFrame, folder: Path) -> None:
    images = open_whole_images(slices, HuFolder(folder, "sh remedy"), NETWORK)
    assert torch.equal(images[UNAUGMENTED, 1][0], images[0, 1][0])
    assert images[0, 1][0].shape == (48, 48, 3)
    training = open_training_images(slices, HuFolder(folder, "sh remedy"), NETWORK, TrainingConfig())
    assert torch.equal(training[UNAUGMENTED, 1][0], images[0, 1][0])


def test_passes_of_prediction_differ_and_have_a_seed_of_their_own(slices: pd.DataFrame, folder: Path) -> None:
    images = open_prediction_images(slices, HuFolder(folder, "sh remedy"), NETWORK, PredictionConfig(), 300)
    again = open_prediction_images(slices, HuFolder(folder, "sh remedy"), NETWORK, PredictionConfig(), 300)
    other = open_prediction_images(slices, HuFolder(folder, "sh remedy"), NETWORK, PredictionConfig(), 301)
    assert torch.equal(images[0, 2][0], again[0, 2][0])
    assert not torch.equal(images[1, 2][0], images[0, 2][0])
    assert not torch.equal(other[0, 2][0], images[0, 2][0])


def test_no_two_networks_folds_or_epochs_share_the_draws_of_their_passes() -> None:
    seeds = [
        prediction_seed(300, network, fold, epoch)
        for network in ("se_resnext50", "se_resnext101")
        for fold in range(8)
        for epoch in (2, 3)
    ]
    assert len(set(seeds)) == 32
    assert prediction_seed(300, "se_resnext50", 0, 2) == seeds[0]
    assert prediction_seed(301, "se_resnext50", 0, 2) not in seeds


@pytest.mark.parametrize("part", ["training", "prediction"])
def test_training_and_prediction_rotate_every_second_slice(slices: pd.DataFrame, folder: Path, part: str) -> None:
    hu = np.full((64, 64), 100, np.int16)
    name = f"ID_full_{part}"
    flat = slices.iloc[:1].assign(image_id=name, hu_crc32=store_image(hu_path(folder, name), encode_hu(hu)))
    source = HuFolder(folder, "sh remedy")
    if part == "training":
        images = open_training_images(flat, source, NETWORK, TrainingConfig(noise_probability=0.0))
    else:
        images = open_prediction_images(flat, source, NETWORK, PredictionConfig(noise_probability=0.0), 1)
    rotated = sum(images[number, 0][0].min().item() < 60 for number in range(600))  # a corner is 0 HU, not 80
    assert 250 < rotated < 340  # of 300; the smallest angles show no corner


def test_noise_of_training_and_of_prediction_are_those_of_the_configuration(slices: pd.DataFrame, folder: Path) -> None:
    hu = np.full((64, 64), 100, np.int16)
    flat = slices.iloc[:1].assign(image_id="ID_flat", hu_crc32=store_image(hu_path(folder, "ID_flat"), encode_hu(hu)))
    training = open_training_images(flat, HuFolder(folder, "sh remedy"), SE_RESNEXT50, TrainingConfig(rotation=0.0))
    predicting = open_prediction_images(
        flat, HuFolder(folder, "sh remedy"), SE_RESNEXT50, PredictionConfig(rotation=0.0), 1
    )
    for images, ratio, probability in ((training, 0.06, 0.9), (predicting, 0.05, 0.7)):
        factors = np.array([images[number, 0][0][0, 0, 2].item() / 100 for number in range(120)])
        assert 0.9 * ratio < np.abs(factors - 1).max() <= ratio + 1e-6
        assert (factors != 1).mean() == pytest.approx(probability, abs=0.1)


def test_normalised_images_stand_channels_first_and_leave_the_batch_as_it_was() -> None:
    config = TrainingConfig()
    batch = torch.tensor(config.mean).repeat(2, 4, 4, 1) + torch.tensor(config.std)
    before = batch.clone()
    images = normalise(batch, config)
    assert images.shape == (2, 3, 4, 4)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(images, torch.ones(2, 3, 4, 4))
    assert torch.equal(batch, before)


def test_an_image_that_changed_since_it_was_written_is_refused_by_name(tmp_path: Path, slices: pd.DataFrame) -> None:
    path = hu_path(tmp_path, slices["image_id"][0])
    store_image(path, encode_hu(np.zeros((64, 64), np.int16)))
    images = open_whole_images(slices, HuFolder(tmp_path, "sh remedy"), NETWORK)
    with pytest.raises(BadInput, match=rf"{path.name} is not the image that was written"):
        images[0, 0]
