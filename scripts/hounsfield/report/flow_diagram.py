"""The flow diagram from files to what is scored, with every reason why something was left out on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hounsfield.core.evaluation.run_report import FlowStep
from hounsfield.report.charts import INK

WIDTH, BOX, GAP, LINE = 900, 52, 36, 20
LONGEST = 64  # characters of a line
TEMPLATE = "flow.svg"


def flow_svg(steps: Sequence[FlowStep], ink: str = INK) -> str:
    """The diagram as an SVG element. ink: a colour, or a variable of the page that it is put into."""
    boxes: list[dict[str, Any]] = []
    y = 10
    for step in steps:
        lines = [_line(f"{count} {reason.replace('_', ' ')}") for reason, count in step.left_out]
        box: dict[str, Any] = {"what": _line(step.what)[:40], "count": step.count, "lines": lines, "arrow_from": None}
        if boxes:
            bottom = boxes[-1]["y"] + BOX
            between = max(GAP, LINE * len(lines) + GAP)
            y, box["arrow_from"] = bottom + between, bottom
            box["out_y"] = bottom + (between - 8) // 2
        boxes.append({**box, "y": y})
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(TEMPLATE).render(boxes=boxes, width=WIDTH, height=y + BOX + 10, ink=ink)


def _line(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
