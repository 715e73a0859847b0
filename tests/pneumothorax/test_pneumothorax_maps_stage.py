"""Stage 63 on a made-up data set and networks with random weights: each film by its own fold's networks."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from made_data import DATA_SET, SIZE
from made_networks import by_hand, made_part, made_parts, run_maps

from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import require
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.image_files import read_grey
from hounsfield.core.training import blocks
from hounsfield.pneumothorax import films
from hounsfield.pneumothorax.maps import Maps
from hounsfield.pneumothorax.paths import MAPS, maps_folder
from killed_runs import killed_at


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    return made_parts(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def trained(trained_once, tmp_path) -> Path:
    return Path(shutil.copytree(trained_once, tmp_path / "work"))


@pytest.fixture
def work(trained) -> Path:
    """Before training."""
    shutil.rmtree(trained / "checkpoints")
    return trained


def test_a_film_is_mapped_by_the_networks_that_do_not_know_it_and_a_test_film_by_all(trained) -> None:
    folder = run_maps(trained)
    array = open_array(folder / "maps.npy")
    found = Maps(open_upstream(trained)).rows
    assert (array.shape, array.dtype) == ((10, SIZE, SIZE), np.uint8)
    assert found["fold"].tolist() == [0] * 5 + [1] * 3 + [-1] * 2
    for row, folds in ((0, (0,)), (5, (1,)), (9, (0, 1))):
        expected = by_hand(trained, found["film_id"][row], folds)
        assert np.ptp(expected) > 0.1
        assert abs(array[row] / 255.0 - expected).max() <= 0.5 / 255 + 1e-5
    learned = Ledger.read(folder / "learned.parquet")
    assert learned.roles_of(np.array(["p000", "p003"]), "fold0").tolist() == ["early_stop", "train"]
    assert learned.roles_of(np.array(["p000", "p003"]), "test").tolist() == ["train", "train"]


def open_upstream(work: Path):
    return require(work, maps_folder(work, DATA_SET, "nets"), MAPS, lambda stage, *_: stage)


@pytest.mark.slow
def test_maps_that_are_interrupted_go_on_to_the_same_bytes(trained) -> None:
    whole = (run_maps(trained) / "maps.npy").read_bytes()
    with killed_at(2, blocks, "write_block"):
        run_maps(trained, "--force")
    assert not (maps_folder(trained, DATA_SET, "nets") / "maps.npy").exists()
    assert (run_maps(trained) / "maps.npy").read_bytes() == whole


def test_a_film_is_decoded_once_for_all_networks(trained, monkeypatch) -> None:
    decoded = []

    def counted(path, *more, **named):
        decoded.append(path.stem)
        return read_grey(path, *more, **named)

    monkeypatch.setattr(films, "read_grey", counted)
    run_maps(trained)
    assert sorted(decoded) == [f"film{number:03d}" for number in range(10)]


def test_maps_need_the_checkpoints_alone_and_fetch_no_weights(trained, monkeypatch) -> None:
    def refused(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert (run_maps(trained, "--network.download", "true") / "maps.npy").exists()


@pytest.mark.slow
def test_half_precision_maps_and_one_checkpoint_are_settings_that_make_other_maps(trained) -> None:
    run_maps(trained)
    with pytest.raises(StaleOutput, match=r"(?s)dtype.*uint8.*float16.*run_63_pneumothorax_maps\.sh"):
        run_maps(trained, "--maps.dtype", "float16")
    folder = run_maps(trained, "--maps.dtype", "float16", "--maps.top", "1", "--maps.flip", "false", "--force")
    assert open_array(folder / "maps.npy").dtype == np.float16


def test_networks_that_give_nan_are_named_with_the_films(work) -> None:
    made_part(work, 0, broken=True)
    with pytest.raises(BadInput, match=r"no numbers \(NaN\) for film000, film001, film002: .*--maps.precision fp32"):
        run_maps(work, "--fold", "0")


def test_a_fold_whose_networks_know_its_patients_gets_no_maps(work) -> None:
    made_part(work, 0, knows=("p000", "p001"))
    with pytest.raises(BadInput, match=r"2 patients .*would not be out-of-fold.*run_62_pneumothorax_train"):
        run_maps(work, "--fold", "0")


def test_what_is_missing_or_trained_otherwise_is_named_with_the_command(work) -> None:
    with pytest.raises(MissingInput, match=r"fold0/part0 is missing; make it with: .*run_62_pneumothorax_train\.sh"):
        run_maps(work)
    made_part(work, 0)
    with pytest.raises(StaleOutput, match=r"(?s)part0 was made from something else.*seed: 42 -> 7"):
        run_maps(work, "--fold", "0", "--seed", "7")
    with pytest.raises(WrongUse, match=r"maps\.part 3: training\.parts has 0 to 0"):
        run_maps(work, "--maps.part", "3")
