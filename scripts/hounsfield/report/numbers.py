"""Every number of a report, as JSON values: one dictionary, of which page, card and checklists are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hounsfield.core.evaluation.run_report import FlowStep, RunReport
from hounsfield.core.stages.outputs import record_digest
from hounsfield.report.data_charts import gain_numbers, spread_numbers
from hounsfield.report.examples import changed_rows, worst_rows
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
from hounsfield.report.shifts import shift_numbers
from hounsfield.report.training_course import training_runs

VERSION = 1


def report_numbers(report: RunReport, figures: Path) -> dict[str, Any]:
    """The numbers; the pictures of rows that they name are written into the folder `figures` on the way."""
    outputs = outputs_of(report)
    links, trainings = chain(report, outputs), training_runs(report, outputs)
    seen = frozenset(report.levels[0].patients[report.seen != ""])
    shown = next((level for level in report.levels if level.picture is not None), report.levels[0])
    return {
        "version": VERSION,
        "run": report.name,
        "digest": record_digest(report.run.record),
        "data_set": report.data_set,
        "drawn": report.drawn,
        "scores": json.loads(report.scores.to_json(orient="records", double_precision=8)),
        "levels": {
            level.row: level_numbers(level, report.calibration, seen, report.seen_by_design) for level in report.levels
        },
        "later_stage": {level.row: gain_numbers(level) for level in report.levels},
        "changed": examples_shown(figures, shown, changed_rows(shown), "changed"),
        "worst": examples_shown(figures, shown, worst_rows(shown), "worst"),
        "shifts": shift_numbers(report),
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
