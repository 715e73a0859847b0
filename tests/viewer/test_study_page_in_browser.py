"""A study's page in Debian's browser: values, marks, the view from the side, and texts that mean harm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from browser import greys, needs_browser, open_page, requests_of, run, settle, size, wait_until
from hounsfield.core.imaging.series_view import Boxes
from hounsfield.core.imaging.windows import BONE, BRAIN
from hounsfield.viewer.study_page import study_page
from viewer.made_findings import HOSTILE, VERTEBRAE, made_film, made_findings, made_neck
from viewer.pages_in_browser import COUNT, PIXELS, click, expected, press

pytestmark = needs_browser


def test_raw_and_calibrated_values_are_those_of_the_findings(head: Chrome) -> None:
    found = made_findings(COUNT).series[0].models[1]
    run(head, "goTo(5)")
    settle(head)
    cells = "[...document.querySelectorAll('#values tr')].slice(1).map((row) => row.cells[2].textContent)"
    assert run(head, f"return {cells}") == [f"{value:.3f}" for value in found.raw[5]]
    before = greys(head, "strip")
    click(head, "#calibrated")
    assert run(head, f"return {cells}") == [f"{value:.3f}" for value in found.calibrated[5]]
    assert (greys(head, "strip") != before).any()
    press(head, "c")
    assert run(head, f"return {cells}") == [f"{value:.3f}" for value in found.raw[5]]


def test_a_model_that_is_not_calibrated_says_so_among_those_that_are(driver: Chrome, folder: Path) -> None:
    findings = made_findings(COUNT)
    series = findings.series[0]
    models = [replace(series.models[0], calibrated=None), series.models[1]]
    path = folder / "half.html"
    path.write_text(study_page(replace(findings, series=[replace(series, models=models)]), 0, PIXELS))
    open_page(driver, path)
    headings = "[...document.querySelectorAll('#values th[title]')].map((one) => one.textContent)"
    assert run(driver, f"return {headings}") == ["classifier", "sequence", "truth"]
    press(driver, "c")
    assert run(driver, f"return {headings}") == ["classifier, raw", "sequence", "truth"]


def test_each_of_eight_classes_has_a_look_of_its_own_and_a_ninth_is_striped(driver: Chrome, folder: Path) -> None:
    path = folder / "nine.html"
    path.write_text(study_page(made_findings(COUNT, names=tuple(f"class {n}" for n in range(9))), 0, PIXELS))
    open_page(driver, path)
    looks = run(driver, "return [...document.querySelectorAll('.swatch')].map((one) => one.style.background)")
    assert len(set(looks)) == len(looks) == 9
    assert ["gradient" in look for look in looks] == [False] * 8 + [True]


def test_names_that_are_too_long_beside_the_strip_keep_both_ends(driver: Chrome, folder: Path) -> None:
    findings = made_findings(COUNT)
    series = findings.series[0]
    names = [f"fracture network of many words, number {number}" for number in range(2)]
    models = [replace(one, model=name) for one, name in zip(series.models, names, strict=True)]
    path = folder / "long.html"
    path.write_text(study_page(replace(findings, series=[replace(series, models=models)]), 0, PIXELS))
    size(driver, 1200)
    open_page(driver, path)
    drawn = run(driver, """
        const drawn = [], own = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
          if (this.canvas.id === "strip" && text) drawn.push([text, x + this.measureText(text).width]);
          own.call(this, text, x, y);
        };
        strip.draw($("strip"), state);
        return [drawn, strip.left];
    """)  # fmt: skip
    texts, left = {text for text, _ in drawn[0]}, drawn[1]
    assert {"epidural", "subarachnoid"} <= texts  # above their models, as wide as they are
    assert all(any(text.startswith("fracture") and text.endswith(str(number)) for text in texts) for number in range(2))
    assert all(end <= left for text, end in drawn[0] if text.startswith("fracture"))


def test_truth_stands_beside_each_slice(head: Chrome) -> None:
    truth = "[...document.querySelectorAll('#values tr')].slice(1).map((row) => row.cells[3].textContent)"
    series = made_findings(COUNT).series[0]
    for index in (4, COUNT - 1):
        run(head, "goTo(arguments[0])", index)
        settle(head)
        words = [{0.0: "absent", 1.0: "present"}.get(value, "unknown") for value in series.truth[index]]
        assert run(head, f"return {truth}") == words


def marked(driver: Chrome, index: int) -> np.ndarray:
    run(driver, "goTo(arguments[0])", index)
    settle(driver)
    return greys(driver, "marks")


def test_overlays_are_switched_on_and_off(head: Chrome) -> None:
    boxes = head.find_elements(By.CSS_SELECTOR, "#overlays input[type=checkbox]")
    assert len(boxes) == 2
    plain = marked(head, 3)
    for box in boxes:  # outlines, box
        box.click()
        settle(head)
        assert (marked(head, 3) != plain).any()
        plain = marked(head, 3)
    Select(head.find_element(By.ID, "heat")).select_by_visible_text("any (classifier)")
    settle(head)
    first = marked(head, 3)
    assert (first != plain).any()
    run(head, "document.getElementById('stage').focus()")
    press(head, "h")
    assert (marked(head, 3) != first).any()  # the other class's
    press(head, "h")
    np.testing.assert_array_equal(marked(head, 3), plain)
    press(head, "o")
    assert all(box.is_selected() for box in boxes)


def test_the_heat_opaqueis_brightest_where_it_was_highest(head: Chrome) -> None:
    run(head, "toggleMarks(); view.letters = null; view.pixelMm = null")
    Select(head.find_element(By.ID, "heat")).select_by_visible_text("any (classifier)")
    settle(head)
    marked(head, COUNT - 1)
    opaque = greys(head, "marks", channel=3)
    row, column = np.unravel_index(opaque.argmax(), opaque.shape)
    assert (row + 0.5) / opaque.shape[0] == pytest.approx(6.5 / 12, abs=0.06)
    assert (column + 0.5) / opaque.shape[1] == pytest.approx(6.5 / 10, abs=0.06)


def test_a_heat_map_without_anything_on_the_slice_says_so(head: Chrome) -> None:
    note = head.find_element(By.ID, "heat-empty")
    press(head, "h")
    assert not note.is_displayed()
    run(head, "view.heats[0].values.fill(0, 0, 120); goTo(1)")
    settle(head)
    assert not note.is_displayed()
    press(head, Keys.HOME)
    assert note.is_displayed()


def test_an_outline_lies_on_its_pixels(head: Chrome) -> None:
    run(head, "view.letters = null; view.pixelMm = null; state.boxes[0] = false")
    marks = marked(head, 1) > 150  # the outline's own colour
    rows, columns = PIXELS.values.shape[1:]
    places = np.argwhere(marks) / np.array(marks.shape) * (rows, columns)
    assert places.min(axis=0) == pytest.approx((20, 10), abs=1)
    assert places.max(axis=0) == pytest.approx((50, 30), abs=1)


@pytest.mark.parametrize("name", ["head", "neck", "film", "hostile"])
@pytest.mark.parametrize(("width", "scheme"), [(800, "dark"), (1440, "light")])
def test_a_page_has_no_error_asks_for_nothing_and_fits(
    driver: Chrome, folder: Path, name: str, width: int, scheme: str
) -> None:
    size(driver, width, scheme=scheme)
    path = folder / f"{name}.html"
    open_page(driver, path)
    assert driver.get_log("browser") == []
    assert requests_of(driver) == [path.as_uri()]
    assert run(driver, "return document.documentElement.scrollWidth") <= width
    ink, paper = run(driver, "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    assert (_brightness(ink) > _brightness(paper)) == (scheme == "dark")
    assert "Research use only, not a medical device" in driver.find_element(By.TAG_NAME, "footer").text


def _brightness(colour: str) -> float:
    return sum(float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])


def test_the_policy_stops_a_request_and_a_foreign_script(head: Chrome) -> None:
    asked = """
        const done = arguments[0];
        const script = document.createElement("script");
        script.textContent = "window.stolen = true";
        document.body.append(script);
        fetch("http://127.0.0.1:9/").then(() => done("sent"), () => done(window.stolen ? "run" : "stopped"));
    """
    assert head.execute_async_script(asked) == "stopped"
    assert "http://127.0.0.1:9/" not in requests_of(head)


def test_hostile_texts_are_shown_and_not_run(driver: Chrome, folder: Path) -> None:
    open_page(driver, folder / "hostile.html")
    press(driver, Keys.ARROW_DOWN)
    assert "stolen" not in driver.title.replace(HOSTILE, "")
    assert driver.find_element(By.ID, "file").text == HOSTILE
    assert driver.find_element(By.ID, "flags").text == HOSTILE
    assert HOSTILE in driver.find_element(By.TAG_NAME, "h1").text
    assert driver.find_elements(By.TAG_NAME, "img") == []


def test_a_neck_is_seen_from_the_side_beside_its_curves(driver: Chrome, folder: Path) -> None:
    size(driver, 1440)
    open_page(driver, folder / "neck.html")
    pixels, _ = made_neck()
    cut = run(driver, "side.canvas.id = 'cut'; document.body.append(side.canvas); return state.column")
    np.testing.assert_array_equal(greys(driver, "cut"), expected(pixels.values[:, :, cut], BONE))
    section = driver.find_element(By.ID, "section")
    edge, tall = run(driver, "return [EDGE, side.tall]")
    from_middle = int(edge + tall * 30.5 / 40 - section.size["height"] / 2)
    ActionChains(driver, duration=0).move_to_element_with_offset(section, 0, from_middle).click().perform()
    settle(driver)
    assert run(driver, "return state.index") == 30
    first = greys(driver, "section")
    Select(driver.find_element(By.ID, "curves")).select_by_visible_text("segmentation")
    settle(driver)
    assert (greys(driver, "section") != first).any()
    click(driver, "#side")
    assert not section.is_displayed()


def test_the_side_is_cut_at_the_middle_of_the_box_and_shows_it_in_its_slices_alone(
    driver: Chrome, folder: Path
) -> None:
    pixels, (curves, *_) = made_neck()
    corners = np.tile([4.0, 16.0, 24.0, 48.0], (len(pixels.values), 1))
    corners[:20] = np.nan
    findings = made_findings(len(pixels.values), names=("overall", *VERTEBRAE), system="spine", with_models=False)
    (folder / "box.html").write_text(study_page(findings, 0, pixels, [curves, Boxes("neck", corners)]))
    size(driver, 1440)
    open_page(driver, folder / "box.html")
    assert run(driver, "return [state.column, Number(document.getElementById('column').value)]") == [14, 14]
    shown = greys(driver, "section").astype(int)
    click(driver, "#overlays input[data-kind=boxes]")
    rows, columns = np.nonzero(greys(driver, "section") != shown)
    edge = run(driver, "return EDGE")
    tall = len(shown) - 2 * edge
    wide = tall * 64 / (40 * 2)  # 40 slices of 2 mm, 64 rows of 1 mm
    assert columns.min() == pytest.approx(edge + wide * 16 / 64, abs=3)
    assert columns.max() == pytest.approx(edge + wide * 48 / 64, abs=3)
    assert rows.min() == pytest.approx(edge + tall / 2, abs=3)
    assert rows.max() == pytest.approx(edge + tall, abs=3)
    click(driver, "#overlays input[data-kind=boxes]")
    run(driver, "change({ column: 30 })")  # beside the box
    settle(driver)
    beside = greys(driver, "section")
    click(driver, "#overlays input[data-kind=boxes]")
    assert (greys(driver, "section") == beside).all()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_of_the_side_stand_around_the_cut_where_no_line_of_a_box_is(
    driver: Chrome, folder: Path, scheme: str
) -> None:
    pixels, (curves, *_) = made_neck()
    corners = np.tile([0.0, 0.0, 48.0, 64.0], (len(pixels.values), 1))  # as large as the cut
    findings = made_findings(len(pixels.values), names=("overall", *VERTEBRAE), system="spine", with_models=False)
    (folder / "large_box.html").write_text(study_page(findings, 0, pixels, [curves, Boxes("neck", corners)]))
    size(driver, 1440, scheme=scheme)
    open_page(driver, folder / "large_box.html")
    edge, tall, wide = run(driver, "return [EDGE, side.tall, (side.tall * view.rows) / (COUNT * betweenSlices())]")
    shown, drawn = greys(driver, "section").astype(int), greys(driver, "section", 3) > 0
    click(driver, "#overlays input[data-kind=boxes]")
    moved = greys(driver, "section").astype(int) != shown
    middles = (edge + tall / 2, edge + wide / 2)
    places = [
        (edge / 2, middles[1]),
        (1.5 * edge + tall, middles[1]),
        (middles[0], edge / 2),
        (middles[0], 1.5 * edge + wide),
    ]
    for row, column in places:
        window = np.s_[int(row - 6) : int(row + 6), int(column - 6) : int(column + 6)]
        assert drawn[window].any() and not moved[window].any()


def test_a_series_from_the_feet_up_is_drawn_with_the_head_at_the_top(head: Chrome) -> None:
    click(head, "#side")
    run(head, "side.canvas.id = 'cut'; document.body.append(side.canvas)")
    column = run(head, "return state.column")
    np.testing.assert_array_equal(greys(head, "cut"), expected(PIXELS.values[::-1, :, column], BRAIN))


def test_a_film_has_one_slice_and_all_its_greys(driver: Chrome, folder: Path) -> None:
    open_page(driver, folder / "film.html")
    pixels, _ = made_film()
    np.testing.assert_array_equal(greys(driver), pixels.values[0].astype(np.uint8))
    assert driver.find_elements(By.CSS_SELECTOR, "#slice, #strip, #side, #calibrated") == []


def test_a_damaged_page_says_so(driver: Chrome, folder: Path) -> None:
    text = (folder / "film.html").read_text()
    start = text.index('["', text.index('id="pixels"')) + 2
    (folder / "cut.html").write_text(text[:start] + text[start + 400 :])
    driver.get((folder / "cut.html").as_uri())
    settle(driver)
    problem = driver.find_element(By.ID, "problem")
    wait_until(driver, "!document.getElementById('problem').hidden")
    assert "cannot be unpacked" in problem.text
