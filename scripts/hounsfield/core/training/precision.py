"""Settings that several systems share; nothing here needs torch, so that preparation starts fast."""

from __future__ import annotations

from typing import Literal

# auto: bf16 where the hardware has it, else fp16 with gradient scaling on a GPU, fp32 on a CPU
Precision = Literal["auto", "fp32", "bf16", "fp16"]

Kept = Literal["best", "last"]  # which epochs' weights a run leaves: the best by a score, or the last
