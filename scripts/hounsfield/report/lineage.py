"""What a run rests on: its outputs, who has seen which patients, the proof that it is scored out of fold, its settings.

N rows of the level that is scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD
from hounsfield.core.evaluation.run_report import RunReport
from hounsfield.core.stages.ledger import ROLES, Ledger
from hounsfield.core.stages.lineage import Rested, rested_on
from hounsfield.core.stages.outputs import read_record, record_digest
from hounsfield.core.stages.times import read_times, time_of


def outputs_of(report: RunReport) -> list[Rested]:
    """The run and all that it was made from, each once."""
    run = report.run
    return list(rested_on(run.work, run.folder.relative_to(run.work).as_posix(), 0, set()))


def chain(report: RunReport, outputs: Sequence[Rested]) -> list[dict[str, Any]]:
    """By output: its place below the work folder, how far it is from the run, its stage, its digest."""
    found = []
    for one in outputs:
        record = read_record(report.run.work / one.place)
        digest = record_digest(record) if record is not None else None
        found.append({"place": one.place, "depth": one.depth, "stage": one.stage, "digest": digest, "gone": one.gone})
    return found


def patients_seen(outputs: Sequence[Rested]) -> Iterator[dict[str, Any]]:
    """By output and part of it: how many patients it has seen in each role, and a digest of their list."""
    for one in outputs:
        for part in one.ledger.rows["part"].unique():
            rows = one.ledger.rows[one.ledger.rows["part"] == part]
            found: dict[str, Any] = {"output": one.place, "part": str(part)}
            for role in ROLES:
                patients = rows.loc[rows["role"] == role, "patient_id"].unique()
                digest = Ledger.of("", patients).digest()[:8] if len(patients) else None
                found[role] = {"patients": len(patients), "digest": digest}
            yield found


def proof(report: RunReport) -> list[dict[str, Any]]:
    """By fold: how many patients are scored, and how many of these what predicts them has seen, by role."""
    level, found = report.levels[0], []
    for fold in np.unique(level.folds).tolist():
        own = level.folds == fold
        seen = {role: _patients(level.patients[own & (report.seen == role)]) for role in ROLES}
        verdict = report.seen_by_design if any(seen.values()) else OUT_OF_FOLD
        patients = _patients(level.patients[own])
        found.append(
            {"fold": int(fold), "rows": int(own.sum()), "patients": patients, "seen": seen, "verdict": verdict}
        )
    return found


def _patients(patients: np.ndarray) -> int:
    return len(pd.unique(patients))


def settings_by_stage(report: RunReport, outputs: Sequence[Rested]) -> list[dict[str, str]]:
    """The settings of each stage as their records have them, in the order of the stages; equal ones are said once.

    What differs between folds alone (fold, epoch, seed) is listed by its values.
    """
    by_stage: dict[str, dict[str, list[str]]] = {}
    for one in outputs:
        record = read_record(report.run.work / one.place)
        if record is None:
            continue
        for name, value in _flat(record["settings"]):
            values = by_stage.setdefault(one.stage, {}).setdefault(name, [])
            if value not in values:
                values.append(value)
    return [
        {"stage": stage, "setting": name, "value": " | ".join(values)}
        for stage in sorted(by_stage)
        for name, values in by_stage[stage].items()
    ]


def libraries(report: RunReport, outputs: Sequence[Rested]) -> dict[str, list[str]]:
    """The versions of the libraries that shaped an output, as their records have them: by library."""
    found: dict[str, set[str]] = {}
    for one in outputs:
        record = read_record(report.run.work / one.place) or {}
        for name, version in record.get("libraries", {}).items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(found[name]) for name in sorted(found)}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of nested settings, under joined names."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def stage_times(
    report: RunReport, links: Sequence[dict[str, Any]], trainings: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """By stage: how many outputs, of how many the time is known, seconds in all, on what, samples per second.

    links: as `chain` gives them. trainings: as `training_runs` gives them.
    """
    times = read_times(report.run.work)
    found = []
    for stage in sorted({one["stage"] for one in links if one["stage"]}):
        own = [one for one in links if one["stage"] == stage]
        known = [line for one in own if (line := time_of(times, one["place"], one["digest"])) is not None]
        rates = [run["samples_per_second"] for run in trainings if run["stage"] == stage and run["samples_per_second"]]
        found.append(
            {
                "stage": stage,
                "outputs": len(own),
                "timed": len(known),
                "seconds": round(sum(float(line["seconds"]) for line in known), 1) if known else None,
                "finished": max((str(line["finished"]) for line in known), default=None),
                "machines": sorted({machine_words(line) for line in known}),
                "samples_per_second": round(float(np.median(rates)), 1) if rates else None,
            }
        )
    return found


def machine_words(line: Mapping[str, Any]) -> str:
    """What an output was made on, in words. line: of `times.jsonl`."""
    gpus = list(line.get("gpus") or [])
    graphics = f", {len(gpus)} x {gpus[0]}" if gpus else ""
    cores = count_of(int(line.get("cores") or 0), "cores")
    return f"{line.get('processor')}, {cores}{graphics}, Python {line.get('python')}"
