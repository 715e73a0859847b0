"""What a run can say by itself to the items of reporting guidelines, in sentences made of its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.run_report import Level, RunReport
from hounsfield.core.evaluation.score_table import DRAWS, loss_column

TRAINING = ("epochs", "learning_rate", "batch_size", "seed", "backbone", "encoder", "size")  # last parts of settings
INITIAL = ("weights", "start")
IDENTIFIERS = "patients, studies and series stand under pseudonyms; no text of a header is in this report"


def answers(report: RunReport, numbers: dict[str, Any]) -> dict[str, str]:
    """By key of an item. numbers: of the whole report. What the run's system says itself stands over what is found."""
    level = report.levels[0]
    own = numbers["levels"][level.row]
    drawn = " (phantoms: drawn images, no patient)" if report.drawn else ""
    flow = "; ".join(_step(step) for step in numbers["flow"])
    found = {
        "method": f"deep learning. {report.method}",
        "data_set": f"{report.data_set}{drawn}",
        "flow": flow,
        "preparation": _settings(numbers, lambda stage, _: "prepare" in stage or "data" in stage),
        "selected": f"{own['rows']} {level.rows}, labelled and out of fold",
        "identifiers": IDENTIFIERS,
        "missing": _missing(level),
        "acquisition": "; ".join(_spread(one) for one in numbers["spreads"] if one["known"]),
        "outcome": f"{', '.join(level.names)}, by {level.row}; how it was determined is for a person to write",
        "partitions": _partitions(own["prevalence"], level),
        "disjoint": f"patients; {_proof(numbers)}",
        "model": f"{report.task} {report.method} Recipe: {report.published}",
        "software": ", ".join(f"{name} {'/'.join(found)}" for name, found in numbers["libraries"].items()),
        "initialised": _settings(numbers, lambda _, name: name in INITIAL),
        "training": _settings(numbers, lambda _, name: name in TRAINING),
        "hardware": "; ".join(dict.fromkeys(words for one in numbers["times"] for words in one["machines"])),
        "measures": _measures(report),
        "uncertainty": f"95 % intervals of {DRAWS} bootstrap samples of whole patients; differences are paired",
        "internal": f"cross-validation: {_of_patients(own, level)}, out of fold",
        "performance": _performance(report),
        "accuracy": _accuracy(numbers),
        "failures": f"{len(numbers['worst'])} worst false positives and negatives, with pictures where there are any",
        "digest": f"run {numbers['run']}, digest {numbers['digest']}",
        "calibration": "; ".join(f"{row}: {one['calibration']}" for row, one in numbers["levels"].items()),
        "recalibrated": _recalibrated(numbers),
        "imbalance": _events(level, own),
        "thresholds": "a probability for each class; thresholds are in the table of operating points"
        if any(own["by_name"][name]["operating_points"] for name in level.names)
        else "a probability for each class",
        "events": _events(level, own),
        "poor_input": "files that cannot be used are refused with a reason; what is odd but used carries a flag",
    }
    return {**found, **report.answers}


def _step(step: dict[str, Any]) -> str:
    left = "".join(f", {count} left out: {reason.replace('_', ' ')}" for reason, count in step["left_out"])
    return f"{step['count']} {step['what']}{left}"


def _settings(numbers: dict[str, Any], wanted: Callable[[str, str], bool]) -> str:
    """The settings that are wanted, by stage. wanted: says so of a stage and the last part of a setting's name."""
    by_stage: dict[str, list[str]] = {}
    for one in numbers["settings"]:
        if wanted(one["stage"], one["setting"].rpartition(".")[2]):
            by_stage.setdefault(one["stage"], []).append(f"{one['setting']} {_short(one['value'])}")
    return "; ".join(f"{stage}: {', '.join(found)}" for stage, found in by_stage.items())


def _short(value: str, longest: int = 60) -> str:
    return value if len(value) <= longest else f"{value[: longest - 1]}…"


def _missing(level: Level) -> str:
    known = {
        name: int((level.labels[:, place] == level.labels[:, place]).sum()) for place, name in enumerate(level.names)
    }
    lacking = {name: len(level.ids) - count for name, count in known.items() if count < len(level.ids)}
    if not lacking:
        return f"every scored {level.row} has a label of every class"
    return "labels that are not known, and do not count: " + _listing(lacking.items())


def _spread(one: dict[str, Any]) -> str:
    low, _, middle, _, high = one["quartiles"]
    return f"{one['name']} {low:.4g} to {high:.4g}, median {middle:.4g} {one['unit']}"


def _partitions(prevalence: list[dict[str, Any]], level: Level) -> str:
    folds = [one for one in prevalence if one["fold"] != "all"]
    parts = (f"fold {one['fold']}: {_of_patients(one, level)}" for one in folds)
    return f"each fold is predicted by models of the others; {'; '.join(parts)}"


def _of_patients(own: dict[str, Any], level: Level) -> str:
    return f"{count_of(own['rows'], level.rows)} of {count_of(own['patients'], 'patients')}"


def _proof(numbers: dict[str, Any]) -> str:
    seen = sum(count for one in numbers["ledger"]["proof"] for count in one["seen"].values())
    patients = sum(one["patients"] for one in numbers["ledger"]["proof"])
    by_design = numbers["ledger"]["by_design"]
    if seen:
        return f"of {patients} scored patients {seen} were seen, by design: {by_design}"
    return f"none of {patients} scored patients was seen by what predicts them"


def _measures(report: RunReport) -> str:
    metric = loss_column(report.scores).replace("_", " ")
    return f"{metric}, log loss, area under ROC, average precision, calibration error, net benefit"


def _performance(report: RunReport) -> str:
    if report.scores.empty:
        return ""
    metric, last = loss_column(report.scores), report.scores.iloc[-1]
    interval = f"{last['low']:.4f} to {last['high']:.4f}"
    return f"{last['system']}: {metric.replace('_', ' ')} {last[metric]:.4f} (95 % interval {interval})"


def _accuracy(numbers: dict[str, Any]) -> str:
    found = []
    for row, level in numbers["levels"].items():
        for name, own in level["by_name"].items():
            area = own["stages"][level["answer"]]["auc"]
            if area is not None and own["auc_low"] is not None:
                found.append(f"{name} by {row}: AUC {area:.3f} ({own['auc_low']:.3f} to {own['auc_high']:.3f})")
    return "; ".join(found)


def _recalibrated(numbers: dict[str, Any]) -> str:
    found = []
    for row, level in numbers["levels"].items():
        for name, own in level["by_name"].items():
            raw, calibrated = (own["reliability"].get(kind) for kind in ("raw", "calibrated"))
            if raw and calibrated:
                found.append(f"{name} by {row}: calibration error {raw['ece']:.3f} to {calibrated['ece']:.3f}")
    return "; ".join(found)


def _events(level: Level, own: dict[str, Any]) -> str:
    counts = {name: f"{one['positive']} of {one['known']}" for name, one in own["by_name"].items()}
    return f"positive {level.rows}: {_listing(counts.items())}"


def _listing(found: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in found)
