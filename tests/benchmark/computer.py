"""What numbers are measured on."""

from __future__ import annotations

import os
import platform

import torch


def computer(before: tuple[float, float, float], sizes: str) -> dict[str, str]:
    """The computer, and how busy it was. before: the load average when the measuring began."""
    return {
        "computer": f"{os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"),
        "load average (1 minute) before and after": f"{before[0]:.2f}, {os.getloadavg()[0]:.2f}",
        "sizes": sizes,
    }
