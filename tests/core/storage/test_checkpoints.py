from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.checkpoints import (
    fill,
    load_state,
    load_weights,
    read_foreign_weights,
    save_state,
    save_weights,
)


def test_weights_come_back_with_their_facts(tmp_path: Path) -> None:
    path = tmp_path / "epoch0.safetensors"
    weights = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last).state_dict()
    save_weights(path, weights, {"epoch": 0})
    loaded, facts = load_weights(path)
    assert facts["epoch"] == 0
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


def test_weights_that_were_changed_on_disk_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "epoch0.safetensors"
    save_weights(path, {"a": torch.zeros(4)}, {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"epoch0\.safetensors .*digest"):
        load_weights(path)


def test_weights_without_their_facts_were_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "epoch0.safetensors"
    save_weights(path, {"a": torch.zeros(4)}, {})
    path.with_suffix(".json").unlink()
    with pytest.raises(MissingInput, match=r"epoch0\.safetensors .*sh bin/x"):
        load_weights(path, remedy="sh bin/x")


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_checkpoint_that_would_run_code_is_refused_and_the_code_not_run(tmp_path: Path, suffix: str) -> None:
    path, touched = tmp_path / f"weights{suffix}", tmp_path / "touched"
    torch.save({"state_dict": Touch(touched)}, path)
    with pytest.raises(BadInput, match=rf"weights\{suffix} .*tensors"):
        read_foreign_weights(path)
    path.write_bytes(pickle.dumps(Touch(touched)))
    with pytest.raises(BadInput, match=rf"weights\{suffix} .*tensors"):
        read_foreign_weights(path)
    assert not touched.exists()


def test_published_names_lose_their_module_prefix(tmp_path: Path) -> None:
    torch.save({"module.fc.weight": torch.ones(2)}, tmp_path / "a.bin")
    assert list(read_foreign_weights(tmp_path / "a.bin")) == ["fc.weight"]


class Net(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body, self.fc = nn.Linear(4, 3), nn.Linear(3, classes)


def test_a_last_layer_for_another_number_of_classes_starts_at_random(tmp_path: Path) -> None:
    net, other = Net(6), Net(1000)
    kept = fill(net, other.state_dict(), source=tmp_path, replaced="fc")
    assert kept == ["fc.bias", "fc.weight"]
    assert torch.equal(net.body.weight, other.body.weight)


def test_weights_of_another_network_are_refused_naming_what_differs(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'stem\.weight'"):
        fill(Net(6), {"stem.weight": torch.zeros(1)}, source=tmp_path, replaced="fc")


def test_a_damaged_training_state_falls_back_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1})
    save_state(path, {"step": 2})
    assert load_state(path) == {"step": 2}
    path.write_bytes(path.read_bytes()[:-3])
    assert load_state(path) == {"step": 1}


def test_a_kill_between_the_two_renames_of_a_save_loses_one_save_at_most(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1})
    path.replace(tmp_path / "state.previous.pt")
    assert load_state(path) == {"step": 1}
    assert load_state(tmp_path / "none.pt") is None
