from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from hounsfield.core.evaluation.study_findings import StudyAnswer
from hounsfield.core.imaging.series_view import Heat
from hounsfield.viewer.controls import CONTROLS
from hounsfield.viewer.facts import (
    answers_table,
    models_table,
    points_table,
    runs_table,
    scores_table,
    slices_table,
)
from hounsfield.viewer.presets import presets, value_range
from hounsfield.viewer.study_page import model_titles, page_name, study_page
from viewer.made_findings import HOSTILE, RUN, made_film, made_findings, made_head, made_overlays, made_points

PIXELS = made_head(6, 24, 20)


def view_of(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="view">(.*?)</script>', html)
    assert found
    return json.loads(found.group(1))


def test_the_page_holds_the_numbers_of_the_findings() -> None:
    findings = made_findings(6)
    view = view_of(study_page(findings, 0, PIXELS, made_overlays(PIXELS)))
    series = findings.series[0]
    for shown, model in zip(view["models"], series.models, strict=True):
        np.testing.assert_allclose(shown["raw"], model.raw, atol=1e-5)
        np.testing.assert_allclose(shown["calibrated"], model.calibrated, atol=1e-5)
    assert view["truth"][-1] == [None] * 6
    assert view["flags"] == list(series.slices["flags"])
    assert (view["low"], view["high"]) == (-1350, 1300)
    assert len(view["heats"]) == 2
    assert view["boxes"][0]["corners"][0] == [None] * 4


def test_a_page_without_calibrated_slices_says_so_of_them_and_not_of_the_run() -> None:
    html = study_page(made_findings(6, calibrated=False), 0, PIXELS)
    assert "raw: slices are not calibrated" in html and 'id="calibrated"' not in html


def test_the_range_is_the_union_of_the_windows() -> None:
    assert value_range(presets("HU", "hemorrhage")) == (-1350, 1300)
    assert value_range(presets("grey", "pneumothorax")) == (0, 255)
    assert [one.name for one in presets("HU", "spine")][:2] == ["bone", "brain"]


def test_a_page_that_was_averaged_says_so_and_scales_what_lies_over_it() -> None:
    html = study_page(made_findings(6), 0, PIXELS, made_overlays(PIXELS), budget=3000)
    view = view_of(html)
    assert view["reduction"] > 1
    assert f"each the mean of {view['reduction']} × {view['reduction']}" in html
    assert view["pixelMm"] == [2.0 * view["reduction"]] * 2
    np.testing.assert_allclose(view["boxes"][0]["corners"][1][:2], 8 / view["reduction"], atol=0.05)


def test_hostile_texts_are_escaped_wherever_they_stand() -> None:
    html = study_page(made_findings(6, text=HOSTILE), 0, PIXELS)
    assert "<img" not in html
    assert html.count("<script") == html.count("</script>")
    assert "&lt;/script&gt;&lt;script&gt;document.title" in html


def test_pixels_of_another_series_are_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="the table has 5, the pixels has 6"):
        study_page(made_findings(5), 0, PIXELS)


def test_series_link_to_each_other() -> None:
    findings = made_findings(6)
    html = study_page(replace(findings, series=[findings.series[0]] * 2), 1, PIXELS)
    assert '<a href="series_1.html">' in html
    assert '<a href="series_2.html" aria-current="page">' in html
    assert page_name(0) == "series_1.html"


def test_models_of_several_runs_are_named_with_their_run() -> None:
    findings = made_findings(6)
    series = findings.series[0]
    assert model_titles(series) == ["classifier", "sequence"]
    other = replace(series.models[0], run="stacking/quickstart")
    both = replace(series, models=[*series.models, other])
    assert model_titles(both) == ["hemorrhage classifier", "hemorrhage sequence", "stacking classifier"]
    other = replace(both, models=[*series.models, replace(series.models[0], run="hemorrhage/crop")])
    assert model_titles(other) == ["quickstart classifier", "quickstart sequence", "crop classifier"]
    assert "stacking classifier" in study_page(replace(findings, series=[both]), 0, PIXELS)


def test_answers_say_which_points_are_met_and_how_good_they_are() -> None:
    findings = replace(
        made_findings(6),
        answers=[StudyAnswer(RUN, "any", 0.2, None, "study head", made_points(0.3, 0.2))],
        truth={"any": 1.0},
    )
    table = answers_table(findings)
    row = dict(zip([name for name, _ in table.columns], table.rows[0], strict=True))
    assert row["truth"] == "present"
    assert row["probability"] == "0.200"
    assert row["calibrated"] == "–"
    assert row["sensitivity 95 %"] == "reached (0.150)"
    assert row["specificity 95 %"] == "not reached (0.600)"
    worth = points_table(findings.answers).rows
    assert worth[0][2:] == ["sensitivity 95 %", "0.150", "94 % (88 % to 98 %)", "41 % (30 % to 50 %)"]
    assert worth[2][2:] == ["best Youden index", "0.300", "not scored", "not scored"]


def test_every_explanation_of_a_control_stands_on_the_page() -> None:
    html = study_page(made_findings(6), 0, PIXELS, made_overlays(PIXELS))
    for control in CONTROLS.values():
        assert f"<dt>{control.name}</dt><dd>{escape(control.meaning)}</dd>" in html
    assert "built-in method" not in html  # of a dictionary, in the place of its item


def test_every_column_of_every_table_is_explained() -> None:
    findings = made_findings(6)
    tables = [
        answers_table(findings),
        points_table(findings.answers),
        runs_table(findings.runs),
        models_table(findings.runs),
        scores_table(findings.runs[0]),
    ]
    tables.append(slices_table(findings.series[0], ["classifier", "sequence"], findings.names, "slice"))
    for table in tables:
        assert all(len(meaning) > 5 for _, meaning in table.columns)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_page_of_a_film_speaks_of_a_film_and_of_no_slice() -> None:
    pixels, outline = made_film(16, 16)
    findings = replace(made_findings(1, names=("pneumothorax",), system="pneumothorax"), picture="film")
    html = study_page(findings, 0, pixels, [*outline, Heat("map", "pneumothorax", np.ones((1, 4, 4), np.uint8))])
    seen = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    seen = seen.replace(findings.runs[0].scored_on, "")  # the run's own words
    assert re.findall(r"\w*slice\w*", seen, re.IGNORECASE) == []
    assert "1 film of 16 × 16 pixels" in seen
    assert view_of(html)["picture"] == "film"


def test_a_film_without_spacing_or_letters_has_a_page() -> None:
    pixels, outline = made_film(16, 16)
    view = view_of(study_page(made_findings(1, names=("pneumothorax",), system="pneumothorax"), 0, pixels, outline))
    assert view["letters"] is None
    assert view["pixelMm"] is None
    assert view["positions"] == [None]
    assert [one["name"] for one in view["presets"]] == ["full range"]
