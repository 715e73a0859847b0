"""How the learning rate changes from step to step."""

from __future__ import annotations

import math
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

ScheduleBy = Literal["epoch", "step"]


def warm_up_cosine(optimizer: Optimizer, steps: int, warm_up: float) -> LambdaLR:
    """A linear rise over the share `warm_up` of all `steps`, then half a cosine that would be 0 behind the last."""
    rising = round(warm_up * steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return (1 + math.cos(math.pi * min(1, (step - rising) / max(1, steps - rising)))) / 2

    return LambdaLR(optimizer, factor)
