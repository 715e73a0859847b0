"""One series of a predicted study as one page: its slices, what the models say of each, and of the whole study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hounsfield.core.evaluation.study_findings import SeriesFindings, StudyFindings
from hounsfield.core.imaging.series_view import Curves, Overlay, SeriesPixels
from hounsfield.core.pages.colours import CLASS_COLOURS
from hounsfield.core.pages.page import page
from hounsfield.viewer.controls import ALONG, KEYS, KEYS_ALONG, controls_of
from hounsfield.viewer.facts import (
    answers_table,
    how_answered,
    models_table,
    points_table,
    refused_table,
    runs_table,
    scores_table,
    slices_table,
)
from hounsfield.viewer.layers import layers, slices_of, with_nulls
from hounsfield.viewer.packing import BUDGET, Packed, pack_series
from hounsfield.viewer.presets import Preset, presets, value_range

HERE = Path(__file__).parent
TEXTS = {"files": "file", "flags": "flags"}  # of each slice: what the scripts call them, and their columns
SCRIPTS = ("volume", "picture", "strip", "side", "study", "events")


def page_name(series: int) -> str:
    """The file name of a series' page. series: from 0, in the order of the findings."""
    return f"series_{series + 1}.html"


def study_page(
    findings: StudyFindings,
    series: int,
    pixels: SeriesPixels,
    overlays: Sequence[Overlay] = (),
    *,
    budget: int = BUDGET,
) -> str:
    """The HTML of one series' page, which names the study's other series and links to their pages beside it.

    series: its index in `findings`. pixels: of that series, with as many slices as its table has rows. budget:
    characters for the pixels; what does not fit is averaged, which the page says.
    Raises ValueError where pixels, overlays and findings are not of the same slices.
    """
    found = findings.series[series]
    _check(found, pixels, overlays)
    offered = presets(pixels.unit, findings.system)
    low, high = value_range(offered)
    packed = pack_series(pixels.values, low, high, budget)
    titles = model_titles(found)
    return page(
        f"{findings.system}: study {findings.study}, series {series + 1}",
        HERE / "study.html",
        styles=[HERE / "study.css"],
        scripts=[HERE / f"{name}.js" for name in SCRIPTS],
        data={
            "view": {
                **_picture(pixels, packed, offered),
                **_values(findings, found, titles),
                **layers(overlays, packed.reduction),
            },
            "pixels": packed.slices,
        },
        findings=findings,
        series=series,
        found=found,
        matrix=pixels.values.shape,
        packed=packed,
        low=low,
        high=high,
        unit=pixels.unit,
        presets=offered,
        overlays=overlays,
        curves=[one.name for one in overlays if isinstance(one, Curves)],
        overlay_kinds={type(one).__name__ for one in overlays},
        has_calibrated=any(model.calibrated is not None for model in found.models),
        pages=[page_name(number) for number in range(len(findings.series))],
        **_explained(findings.picture, len(found.slices)),
        answers=answers_table(findings),
        how=how_answered(findings.answers),
        runs=runs_table(findings.runs),
        refused=refused_table(findings),
        details=[
            points_table(findings.answers),
            models_table(findings.runs),
            *(scores_table(run) for run in findings.runs if run.scores),
            slices_table(found, titles, findings.names, findings.picture),
        ],
    )


def _explained(picture: str, count: int) -> dict[str, Any]:
    """What the page says of its controls and keys; along: those controls that only several pictures have."""
    return {"controls": controls_of(picture), "along": ALONG, "keys": KEYS if count == 1 else (*KEYS_ALONG, *KEYS)}


def model_titles(series: SeriesFindings) -> list[str]:
    """What each model of a series is called: where there are several runs, with what tells its run from the others."""
    runs = list(dict.fromkeys(model.run for model in series.models))
    if len(runs) == 1:
        return [model.model for model in series.models]
    systems, experiments = ([part(run) for run in runs] for part in (_system, _experiment))
    short = next((names for names in (systems, experiments) if len(set(names)) == len(runs)), runs)
    names = dict(zip(runs, short, strict=True))
    return [f"{names[model.run]} {model.model}" for model in series.models]


def _system(run: str) -> str:
    return run.partition("/")[0]


def _experiment(run: str) -> str:
    return run.rpartition("/")[2]


def _check(found: SeriesFindings, pixels: SeriesPixels, overlays: Sequence[Overlay]) -> None:
    counts = {"the table": len(found.slices), "the pixels": len(pixels.values)}
    counts |= {f"the overlay {one.name}": slices_of(one) for one in overlays}
    counts |= {f"the model {model.model}": len(model.raw) for model in found.models}
    if len(set(counts.values())) > 1 or not len(pixels.values):
        said = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ValueError(f"series {found.series}: its slices are not of one series: {said}")


def _picture(pixels: SeriesPixels, packed: Packed, offered: Sequence[Preset]) -> dict[str, Any]:
    spacing = pixels.pixel_mm
    low, high = value_range(offered)
    return {
        "unit": pixels.unit,
        "rows": packed.rows,
        "columns": packed.columns,
        "low": low,
        "high": high,
        "reduction": packed.reduction,
        "pixelMm": spacing and [edge * packed.reduction for edge in spacing],
        "letters": pixels.letters,
        "positions": with_nulls(pixels.positions_mm, 3),
        "presets": [{"name": one.name, "level": one.window.center, "width": one.window.width} for one in offered],
    }


def _values(findings: StudyFindings, found: SeriesFindings, titles: Sequence[str]) -> Mapping[str, Any]:
    models = [
        {"title": title, "raw": with_nulls(model.raw), "calibrated": _optional(model.calibrated)}
        for title, model in zip(titles, found.models, strict=True)
    ]
    texts = {name: [str(text) for text in found.slices[column]] for name, column in TEXTS.items()}
    shown = {"picture": findings.picture, "colours": len(CLASS_COLOURS)}
    return {"names": findings.names, "models": models, "truth": _optional(found.truth), **texts, **shown}


def _optional(values: np.ndarray | None) -> list[Any] | None:
    return None if values is None else with_nulls(values)
