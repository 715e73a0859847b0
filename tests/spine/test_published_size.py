"""The published networks at their published size: 96 slices of 512 px. It takes minutes and gigabytes."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
import torch

from hounsfield.spine.config import NetworkConfig, StudyConfig
from hounsfield.spine.losses import FRACTURE_COLUMNS, fracture_loss, study_loss
from hounsfield.spine.networks.fracture import FractureNetwork, fill_frames
from hounsfield.spine.networks.study import FrozenFramesStudyNetwork

TRIPLETS, SIZE, GIB = 32, 512, 2**20  # kB


def report(what: str, start: float) -> float:
    """Print the time that it took; returns the process's peak memory, GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB
    print(f"{what}: {time.perf_counter() - start:.1f} s, peak {peak:.1f} GiB")
    return peak


@pytest.mark.full_size
@pytest.mark.parametrize("backbone", ["resnest50d", "seresnext50_32x4d"])
def test_a_window_is_learnt_from_and_a_study_predicted_at_published_size_within_12_gib(backbone: str) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(backbone=backbone, size=SIZE, gradient_checkpointing=True)
    network = FractureNetwork(config).to(memory_format=torch.channels_last)
    triplets = torch.randint(0, 256, (1, TRIPLETS, SIZE, SIZE, 3), dtype=torch.uint8)
    targets, positions = torch.rand(1, TRIPLETS, FRACTURE_COLUMNS), torch.linspace(0, 200, TRIPLETS)[None]
    assert (network.lstm.input_size, network.head.in_features) == (2064, 4128)
    start = time.perf_counter()
    fracture_loss(network.train()(triplets, positions), targets, 5e-4).sum().backward()
    peak = report(f"{backbone}, training step of 54", start)
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())

    level = FrozenFramesStudyNetwork(config, StudyConfig(chunk=8)).to(memory_format=torch.channels_last)
    fill_frames(level.frames, network.state_dict(), source=Path("network"))
    start = time.perf_counter()
    logits = level.train()(triplets[0], torch.tensor([TRIPLETS]))
    study_loss(logits, torch.tensor([[1.0, 1, 0, 0, 0, 0, 0, 0]])).sum().backward()
    report(f"{backbone}, training step of 55", start)
    start = time.perf_counter()
    with torch.inference_mode():
        assert level.eval()(triplets[0], torch.tensor([TRIPLETS])).isfinite().all()
    peak = max(peak, report(f"{backbone}, a study predicted", start))
    assert all((parameter.grad is None) == name.startswith("frames.") for name, parameter in level.named_parameters())
    assert peak < 12
