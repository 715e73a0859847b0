"""One predicted study as files: findings.json, as findings.schema.json describes it, and findings.csv, a row per slice.

N slices of a series, C names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import SUFFIX
from hounsfield.core.evaluation.findings import write_csv
from hounsfield.core.evaluation.study_findings import SLICE_COLUMNS, ModelValues, SeriesFindings, StudyFindings
from hounsfield.core.storage.files import write_json

SCHEMA = Path(__file__).with_name("findings.schema.json")
VERSION = 1
NOTICE = "Research use only, not a medical device."
JSON, CSV = "findings.json", "findings.csv"


def write_findings(folder: Path, findings: StudyFindings, pages: Mapping[str, str]) -> list[str]:
    """Write both files; returns their names. pages: the file name of each series' page."""
    write_json(folder / JSON, findings_json(findings, pages))
    write_csv(folder / CSV, slice_rows(findings))
    return [JSON, CSV]


def findings_json(findings: StudyFindings, pages: Mapping[str, str]) -> dict[str, Any]:
    """The content of findings.json: plain values, every number finite or None."""
    refused = [] if findings.refused is None else findings.refused.to_dict("records")
    found: dict[str, Any] = {
        "version": VERSION,
        "notice": NOTICE,
        "system": findings.system,
        "study": findings.study,
        "names": findings.names,
        "runs": [asdict(run) for run in findings.runs],
        "answers": [asdict(answer) for answer in findings.answers],
        "series": [_series_json(one, pages.get(one.series)) for one in findings.series],
        "truth": findings.truth,
        "warnings": findings.warnings,
        "refused": refused,
        "seconds": findings.seconds,
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _series_json(series: SeriesFindings, page: str | None) -> dict[str, Any]:
    models = [
        {"run": one.run, "model": one.model, "raw": one.raw, "calibrated": one.calibrated} for one in series.models
    ]
    slices = series.slices[list(SLICE_COLUMNS)].to_dict("records")
    return {"series": series.series, "page": page, "slices": slices, "models": models, "truth": series.truth}


def _plain(value: Any) -> Any:
    """Mappings, sequences and NumPy's values as JSON has them; NaN, infinity and missing values become None."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)) else value


def slice_rows(findings: StudyFindings) -> pd.DataFrame:
    """A row per slice: series, where it is from, the values of every model, flags.

    With several runs the name of each stands before its columns.
    """
    return pd.concat([_series_rows(findings, one) for one in findings.series], ignore_index=True)


def _series_rows(findings: StudyFindings, series: SeriesFindings) -> pd.DataFrame:
    table = series.slices[[name for name in SLICE_COLUMNS if name != "flags"]].reset_index(drop=True)
    table.insert(0, "study", findings.study)
    table.insert(1, "series", series.series)
    for model in series.models:
        columns = [f"{_prefix(findings, model.run)}{model.model}_{name}" for name in findings.names]
        table = table.join(_columns(model, columns))
    return table.assign(flags=series.slices["flags"].to_numpy())


def _columns(model: ModelValues, names: Sequence[str]) -> pd.DataFrame:
    raw = pd.DataFrame(model.raw, columns=list(names))
    if model.calibrated is None:
        return raw
    return raw.join(pd.DataFrame(model.calibrated, columns=[f"{name}{SUFFIX}" for name in names]))


def _prefix(findings: StudyFindings, run: str) -> str:
    return f"{run} " if len(findings.runs) > 1 else ""


def study_row(findings: StudyFindings, page: str) -> dict[str, object]:
    """The study's row of a table of studies. page: its first page, below the table's folder; "" where there is none."""
    flags = pd.concat([one.slices["flags"] for one in findings.series]) if findings.series else pd.Series(dtype=str)
    row: dict[str, object] = {
        "study": findings.study,
        "series": len(findings.series),
        "slices": len(flags),
        "flagged": int((flags != "").sum()),
        "refused": 0 if findings.refused is None else len(findings.refused),
    }
    for answer in findings.answers:
        name = f"{_prefix(findings, answer.run)}{answer.label}"
        met = " ".join(point.name for point in answer.points if point.met)
        row |= {name: answer.raw, f"{name}{SUFFIX}": answer.calibrated, f"{name}_reaches": met}
    return row | {
        "rule": _joined(one.how for one in findings.answers),
        "trained_on": _joined(one.trained_on for one in findings.runs),
        "warnings": _joined(findings.warnings),
        "page": page,
    }


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
