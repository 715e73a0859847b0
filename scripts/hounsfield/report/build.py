"""The report of a run as files: its numbers first, then the card, the charts, and the page that holds them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hounsfield.core.evaluation.run_report import Level, RunReport
from hounsfield.core.pages.page import page
from hounsfield.core.stages.outputs import RECORD, Input, Provenance, read_record, record_digest
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.files import write_bytes, write_json
from hounsfield.report.answers import answers
from hounsfield.report.card import model_card
from hounsfield.report.charts import Chart, write_chart
from hounsfield.report.checklists import CLAIM, TRIPOD_AI, answered
from hounsfield.report.data_charts import gain_chart, prevalence_chart, spread_charts
from hounsfield.report.flow_diagram import flow_svg
from hounsfield.report.level_charts import level_charts
from hounsfield.report.numbers import VERSION, report_numbers
from hounsfield.report.pictures import sources
from hounsfield.report.shifts import shift_values
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
from hounsfield.report.training_course import training_charts

PAGE, NUMBERS, CARD, FIGURES = "report.html", "report.json", "MODEL_CARD.md", "report"
SHIFTS = "shifts"  # folder of a run that holds what --shifts has measured
CHECKLISTS = {"CLAIM 2024": CLAIM, "TRIPOD+AI": TRIPOD_AI}
HERE = Path(__file__).parent


class Drawn(NamedTuple):
    """A chart on the page."""

    svg: str
    meaning: str


def write_report(report: RunReport) -> Path:
    """Write page, numbers, card and figures into the run's folder; returns the page's path."""
    folder = report.run.folder
    figures = folder / FIGURES
    for earlier in _drawn_files(figures):  # which this report may not have
        earlier.unlink()
    numbers = report_numbers(report, figures)
    said = answers(report, numbers)
    numbers["checklists"] = {
        name: [item._asdict() for item in answered(items, said)] for name, items in CHECKLISTS.items()
    }
    write_json(folder / NUMBERS, numbers)
    write_bytes(folder / CARD, model_card(report, numbers, said).encode())
    values = page_values(report, numbers, figures)
    content = page(f"Report of {report.name}", HERE / "report.html", styles=[HERE / "report.css"], **values)
    write_bytes(folder / PAGE, content.encode())
    return folder / PAGE


def provenance_of(stage: str, run: Upstream) -> Provenance:
    """What the report of a run is made from: the run, and what was measured of its robustness."""
    inputs = {"run": run.as_input()}
    for folder in sorted((run.folder / SHIFTS).glob("*")):
        record = read_record(folder)
        if record is not None:
            place = (folder / RECORD).relative_to(run.work).as_posix()
            inputs[f"shifts {folder.name}"] = Input(record_digest(record), place, record["settings"])
    return Provenance(stage, {"version": VERSION}, inputs, libraries=("matplotlib",))


def report_files(folder: Path) -> list[str]:
    """The files of a report, as they are named from the folder of its figures, which holds its record."""
    beside = [f"../{name}" for name in (PAGE, NUMBERS, CARD)]
    return [*beside, *(one.name for one in _drawn_files(folder / FIGURES))]


def _drawn_files(figures: Path) -> list[Path]:
    return sorted(one for kind in ("png", "svg") for one in figures.glob(f"*.{kind}"))


def page_values(report: RunReport, numbers: dict[str, Any], figures: Path) -> dict[str, Any]:
    """What the page's template shows; charts are written into the folder `figures` on the way."""
    write_bytes(figures / "flow.svg", flow_svg(report.flow).encode())
    return {
        "report": report,
        "numbers": numbers,
        "sources": sources(figures, [*numbers["changed"], *numbers["worst"]]),
        "pictures": " ".join(level.pictures for level in report.levels if level.pictures),
        "scores": score_rows(report.scores),
        "proof": proof_rows(numbers["ledger"]["proof"], report.levels[0].rows),
        "seen": seen_rows(numbers["ledger"]["patients_seen"]),
        "chain": chain_rows(numbers["ledger"]["chain"]),
        "times": time_rows(numbers["times"]),
        "settings": setting_rows(numbers["settings"]),
        "libraries": pairs(LIBRARY_COLUMNS, {name: ", ".join(found) for name, found in numbers["libraries"].items()}),
        "counts": {heading: pairs(COUNT_COLUMNS, found) for heading, found in report.counts.items()},
        "training": drawn(figures, training_charts(numbers["trainings"])),
        "levels": [level_values(level, numbers["levels"][level.row], figures) for level in report.levels],
        "shifts": shift_values(report, numbers["shifts"], partial(drawn, figures)),
        "flow": flow_svg(report.flow, "var(--ink)"),
        "spreads": drawn(figures, spread_charts(numbers["spreads"], report.spread_of)),
    }


def level_values(level: Level, own: dict[str, Any], figures: Path) -> dict[str, Any]:
    """The same for a level. own: its numbers."""
    gain = gain_chart(level)
    return {
        "level": level,
        "numbers": own,
        "ranking": ranking_rows(own["by_name"], own["answer"]),
        "reliability": reliability_rows(own["by_name"]),
        "points": point_rows(own["by_name"]),
        "folds": prevalence_rows(own["prevalence"], level.names, level.rows),
        "names": [(name, own["by_name"][name], drawn(figures, charts)) for name, charts in level_charts(level, own)],
        "prevalence": drawn(figures, [prevalence_chart(level, own["prevalence"])]),
        "gain": drawn(figures, [gain] if gain else []),
    }


def drawn(figures: Path, charts: Iterable[Chart]) -> Sequence[Drawn]:
    """Charts, written as files and as pieces of the page."""
    return [Drawn(write_chart(figures, chart), chart.meaning) for chart in charts]
