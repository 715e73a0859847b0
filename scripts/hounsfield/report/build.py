"""The report of a run: numbers first, then charts and pictures, then the page; all from one dictionary of numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from hounsfield.core.evaluation.run_report import FlowStep, Level, RunReport
from hounsfield.core.pages.page import page
from hounsfield.core.stages.outputs import record_digest
from hounsfield.core.storage.files import write_bytes, write_json
from hounsfield.report.answers import answers
from hounsfield.report.card import model_card
from hounsfield.report.charts import Chart, write_chart
from hounsfield.report.checklists import CLAIM, TRIPOD_AI, Item, answered
from hounsfield.report.data_charts import (
    gain_chart,
    gain_numbers,
    prevalence_chart,
    spread_charts,
    spread_numbers,
)
from hounsfield.report.examples import changed_rows, worst_rows
from hounsfield.report.flow_diagram import flow_svg
from hounsfield.report.level_charts import level_charts
from hounsfield.report.level_numbers import level_numbers
from hounsfield.report.lineage import (
    chain,
    libraries,
    outputs_of,
    patients_seen,
    proof,
    settings_by_stage,
    stage_times,
)
from hounsfield.report.pictures import examples_shown
from hounsfield.report.tables import (
    COUNT_COLUMNS,
    LIBRARY_COLUMNS,
    chain_rows,
    pairs,
    point_rows,
    prevalence_rows,
    proof_rows,
    ranking_rows,
    reliability_rows,
    score_rows,
    seen_rows,
    setting_rows,
    time_rows,
)
from hounsfield.report.training_course import training_charts, training_runs

PAGE, NUMBERS, CARD, FIGURES = "report.html", "report.json", "MODEL_CARD.md", "report"
CHECKLISTS = {"CLAIM 2024": CLAIM, "TRIPOD+AI": TRIPOD_AI}
HERE = Path(__file__).parent
VERSION = 1


class Drawn(NamedTuple):
    """A chart on the page."""

    svg: str
    title: str
    meaning: str
    file: str  # below the page's folder, without its suffix


def write_report(report: RunReport) -> Path:
    """Write the page, its figures and its numbers into the run's folder; returns the page's path."""
    folder = report.run.folder
    figures = folder / FIGURES
    shutil.rmtree(figures, ignore_errors=True)  # figures of an earlier report that this one has not
    numbers = report_numbers(report, figures)
    said = answers(report, numbers)
    numbers["checklists"] = {name: [_item(one) for one in answered(items, said)] for name, items in CHECKLISTS.items()}
    write_json(folder / NUMBERS, _without_pictures(numbers))
    write_bytes(folder / CARD, model_card(report, numbers, said).encode())
    content = page(
        f"Report of {report.name}", HERE / "report.html", styles=[HERE / "report.css"], **_values(report, numbers)
    )
    write_bytes(folder / PAGE, content.encode())
    return folder / PAGE


def report_numbers(report: RunReport, figures: Path) -> dict[str, Any]:
    """Every number of the report; pictures of rows are written into the folder `figures` on the way."""
    outputs = outputs_of(report)
    links, trainings = chain(report, outputs), training_runs(report, outputs)
    first = report.levels[0]
    shown = next((level for level in report.levels if level.picture is not None), first)
    return {
        "version": VERSION,
        "run": report.name,
        "digest": record_digest(report.run.record),
        "data_set": report.data_set,
        "drawn": report.drawn,
        "scores": json.loads(report.scores.to_json(orient="records", double_precision=8)),
        "levels": {level.row: level_numbers(level, report.calibration) for level in report.levels},
        "later_stage": {level.row: gain_numbers(level) for level in report.levels},
        "changed": examples_shown(figures, shown, changed_rows(shown), "changed"),
        "worst": examples_shown(figures, shown, worst_rows(shown), "worst"),
        "flow": [_step(step) for step in report.flow],
        "spreads": [spread_numbers(spread) for spread in report.spreads],
        "counts": report.counts,
        "trainings": trainings,
        "ledger": {
            "chain": links,
            "patients_seen": list(patients_seen(outputs)),
            "proof": proof(report),
            "by_design": report.seen_by_design,
        },
        "times": stage_times(report, links, trainings),
        "settings": settings_by_stage(report, outputs),
        "libraries": libraries(report, outputs),
    }


def _step(step: FlowStep) -> dict[str, Any]:
    return {"what": step.what, "count": step.count, "left_out": [list(one) for one in step.left_out]}


def _item(item: Item) -> dict[str, str | None]:
    return item._asdict()


def _without_pictures(numbers: dict[str, Any]) -> dict[str, Any]:
    """The same, its pictures named by their files alone."""
    shown = {name: [{**one, "source": None} for one in numbers[name]] for name in ("changed", "worst")}
    return numbers | {name: [_dropped(one) for one in rows] for name, rows in shown.items()}


def _dropped(example: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in example.items() if name != "source"}


def _values(report: RunReport, numbers: dict[str, Any]) -> dict[str, Any]:
    """What the page's template shows."""
    figures = report.run.folder / FIGURES

    def draw(charts: list[Chart]) -> list[Drawn]:
        return [
            Drawn(write_chart(figures, chart), chart.title, chart.meaning, f"{FIGURES}/{chart.name}")
            for chart in charts
        ]

    flow = report.flow
    write_bytes(figures / "flow.svg", flow_svg(flow).encode())
    levels = [_level_values(level, numbers, draw) for level in report.levels]
    return {
        "report": report,
        "numbers": numbers,
        "scores": score_rows(report.scores),
        "proof": proof_rows(numbers["ledger"]["proof"], report.levels[0].rows),
        "seen": seen_rows(numbers["ledger"]["patients_seen"]),
        "chain": chain_rows(numbers["ledger"]["chain"]),
        "times": time_rows(numbers["times"]),
        "settings": setting_rows(numbers["settings"]),
        "libraries": pairs(LIBRARY_COLUMNS, {name: ", ".join(found) for name, found in numbers["libraries"].items()}),
        "counts": {heading: pairs(COUNT_COLUMNS, found) for heading, found in report.counts.items()},
        "training": draw(training_charts(numbers["trainings"])),
        "levels": levels,
        "flow": flow_svg(flow, "var(--ink)"),
        "spreads": draw(spread_charts(numbers["spreads"], "series" if report.levels[0].row == "slice" else "rows")),
    }


def _level_values(level: Level, numbers: dict[str, Any], draw: Any) -> dict[str, Any]:
    own = numbers["levels"][level.row]
    gain = gain_chart(level)
    return {
        "level": level,
        "numbers": own,
        "ranking": ranking_rows(own["by_name"], own["answer"]),
        "reliability": reliability_rows(own["by_name"]),
        "points": point_rows(own["by_name"]),
        "folds": prevalence_rows(own["prevalence"], level.names, level.rows),
        "names": [(name, own["by_name"][name], draw(charts)) for name, charts in level_charts(level, own)],
        "prevalence": draw([prevalence_chart(level, own["prevalence"])]),
        "gain": draw([gain]) if gain else [],
    }
