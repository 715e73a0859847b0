"""What training on windows has in common, in stages 53 and 54: the loss of a batch, and of the validation fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from hounsfield.core.training.batches import shared_batches
from hounsfield.core.training.blocks import share_rows
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.loop import TrainingRun
from hounsfield.spine.config import OptimizerConfig
from hounsfield.spine.network_run import NetworkRun
from hounsfield.spine.slice_window_data import Window, Windows
from hounsfield.spine.training import Scores

Loss = Callable[[Tensor, Tensor, float], Tensor]  # predictions and targets (B, L, C), threshold -> (B,)


def window_loss(loss: Loss, threshold: float, devices: Devices, model: nn.Module, batch: Window) -> Tensor:
    """The loss of each window, (B,)."""
    triplets, targets, positions = (one.to(devices.device, non_blocking=True) for one in batch)
    with devices.autocast():
        predictions = model(triplets, positions)
    return loss(predictions, targets, threshold)


def validation_loss(
    task: NetworkRun, windows: Windows, loss: Loss, devices: Devices, network: nn.Module, run: TrainingRun
) -> Scores:
    """The mean loss of the validation fold's windows."""
    network.eval()
    config, size = task.config, windows_at_a_time(task.key.model.optimizer)

    @torch.no_grad()
    def own_share() -> Iterator[tuple[np.ndarray, Tensor]]:
        """Row numbers (B,) and losses (B,)."""
        for rows, batch in shared_batches(windows, size, devices, workers=config.workers):
            yield rows, window_loss(loss, config.windows.threshold, devices, network, batch)

    return {"validation_loss": float(share_rows(own_share(), (len(windows),), devices, run.stop).mean())}


def windows_at_a_time(config: OptimizerConfig) -> int:
    """As many windows as fit in training fit without it, too."""
    return max(1, config.batch_size // config.accumulate)
