"""Figures as files."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from .files import write_bytes


def save_figure(path: Path, figure: Figure, dpi: int = 100) -> None:
    """Write a figure as PNG. The same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())
