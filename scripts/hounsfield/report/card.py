"""The model card: Markdown of the same numbers as the report, with marked blanks for what a person must write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hounsfield.core.evaluation.run_report import RunReport
from hounsfield.report.tables import Table, point_rows, ranking_rows, score_rows

TEMPLATE = "card.md"


class Written(Markup):
    """Markdown that is not escaped again."""


BLANK = Written("**to be written**")


def model_card(report: RunReport, numbers: dict[str, Any], answers: dict[str, str]) -> str:
    """The card. numbers: of the report; answers: what it says to items of guidelines."""
    levels = []
    for row, level in numbers["levels"].items():
        points = point_rows(level["by_name"])
        levels.append(
            {
                "row": row,
                "how": level["how"],
                "counted": level["counted"],
                "ranking": markdown_table(ranking_rows(level["by_name"], level["answer"])),
                "points": markdown_table(points) if points.rows else Written(),
            }
        )
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        finalize=escaped,
        autoescape=True,  # of what `escaped` has not made Markdown of
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        name=report.name,
        task=report.task,
        published=report.published,
        drawn=report.drawn,
        digest=numbers["digest"],
        answers=answers,
        scores=markdown_table(score_rows(report.scores)),
        levels=levels,
        BLANK=BLANK,
    )


def markdown_table(table: Table) -> Written:
    """A table's headings and rows."""
    lines = [[name for name, _ in table.columns], ["---"] * len(table.columns), *table.rows]
    return Written("\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines))


def escaped(value: Any) -> Written:
    """A text that Markdown shows as it is: no tag, no cell's end, no link, no emphasis, one line."""
    if isinstance(value, Written):
        return value
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Written(re.sub(r"\s+", " ", re.sub(r"([\\`*|\[\]])", r"\\\1", text)))
