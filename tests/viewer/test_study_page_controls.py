"""A study's page under hands, in Debian's browser: window, slice and values by mouse, keys and fields."""

from __future__ import annotations

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from browser import greys, needs_browser, run, settle
from hounsfield.core.imaging.windows import BONE, BRAIN, Window
from viewer.pages_in_browser import COUNT, PIXELS, click, expected, press, slice_shown, window_shown

pytestmark = needs_browser


def test_the_canvas_shows_every_stored_value_through_the_window(head: Chrome) -> None:
    for index in (0, COUNT // 2 - 1, COUNT - 1):
        run(head, "goTo(arguments[0])", index)
        settle(head)
        assert slice_shown(head) == index
        np.testing.assert_array_equal(greys(head), expected(PIXELS.values[index], BRAIN))


def test_a_drag_changes_level_and_width_and_the_greys_follow(head: Chrome) -> None:
    run(head, "goTo(4)")
    before = greys(head)
    stage = head.find_element(By.ID, "stage")
    actions = ActionChains(head, duration=0)
    actions.move_to_element(stage).click_and_hold().move_by_offset(90, -60).release().perform()
    settle(head)
    window = window_shown(head)
    assert window.width > BRAIN.width
    assert window.center > BRAIN.center
    shown = greys(head)
    assert (shown != before).any()
    np.testing.assert_array_equal(shown, expected(PIXELS.values[4], window))


@pytest.mark.parametrize("by_key", [True, False], ids=["key", "button"])
def test_presets_set_their_window(head: Chrome, by_key: bool) -> None:
    if by_key:
        press(head, "4")
    else:
        click(head, ".preset[data-preset='3']")
    assert window_shown(head) == BONE
    pressed = head.find_elements(By.CSS_SELECTOR, ".preset[aria-pressed='true']")
    assert [button.text for button in pressed] == ["bone"]
    np.testing.assert_array_equal(greys(head), expected(PIXELS.values[0], BONE))


def test_the_fields_and_their_keys_set_the_window(head: Chrome) -> None:
    for name, value in (("level", "100"), ("width", "300")):
        field = head.find_element(By.ID, name)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(value)
    settle(head)
    assert window_shown(head) == Window(100, 300)
    np.testing.assert_array_equal(greys(head), expected(PIXELS.values[0], Window(100, 300)))
    run(head, "document.getElementById('stage').focus()")
    press(head, "+")
    press(head, ".")
    assert window_shown(head).width == pytest.approx(330)
    assert window_shown(head).center == pytest.approx(133)


def test_keys_slider_wheel_and_strip_change_the_slice(head: Chrome) -> None:
    for key, wanted in (
        (Keys.ARROW_DOWN, 1), (Keys.ARROW_RIGHT, 2), (Keys.PAGE_DOWN, 7), (Keys.ARROW_UP, 6), (Keys.PAGE_UP, 1),
        (Keys.ARROW_LEFT, 0), (Keys.ARROW_LEFT, 0), (Keys.END, COUNT - 1), (Keys.ARROW_DOWN, COUNT - 1), (Keys.HOME, 0),
    ):  # fmt: skip
        press(head, key)
        assert slice_shown(head) == wanted
    run(head, "const one = document.getElementById('slice'); one.value = 6; one.dispatchEvent(new Event('input'))")
    settle(head)
    assert slice_shown(head) == 5
    stage = head.find_element(By.ID, "stage")
    ActionChains(head, duration=0).scroll_from_origin(_at(stage), 0, 120).perform()
    settle(head)
    assert slice_shown(head) == 6
    assert run(head, "return window.scrollY") == 0
    for wanted in (6, 7):  # small steps, as of a touch pad, add up
        ActionChains(head, duration=0).scroll_from_origin(_at(stage), 0, 30).perform()
        settle(head)
        assert slice_shown(head) == wanted
    strip = head.find_element(By.ID, "strip")
    left, cell = run(head, "return [strip.left, strip.cell]")
    middle = strip.size["width"] / 2
    ActionChains(head, duration=0).move_to_element_with_offset(
        strip, int(left + 9.5 * cell - middle), 0
    ).click().perform()
    settle(head)
    assert slice_shown(head) == 9


def _at(element: object) -> object:
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    return ScrollOrigin.from_element(element)


def test_the_wheel_elsewhere_and_keys_elsewhere_leave_the_slice_alone(head: Chrome) -> None:
    run(head, "document.activeElement.blur()")
    press(head, Keys.ARROW_DOWN)
    assert slice_shown(head) == 0
    level = head.find_element(By.ID, "level")
    level.click()
    press(head, Keys.HOME)
    press(head, Keys.ARROW_UP)  # the field's own
    assert slice_shown(head) == 0


def test_the_value_under_the_pointer_is_the_stored_one_by_mouse_and_by_keys(head: Chrome) -> None:
    stage = head.find_element(By.ID, "stage")
    ActionChains(head, duration=0).move_to_element_with_offset(stage, 10, 7).perform()
    settle(head)
    column, row = run(head, "return [state.probe.x, state.probe.y]")
    value = PIXELS.values[0, row, column]
    assert head.find_element(By.ID, "probe").text == f"{value} HU at column {column + 1}, row {row + 1}"
    run(head, "state.probe = {x: 1, y: 0}")
    ActionChains(head, duration=0).key_down(Keys.SHIFT).send_keys(Keys.ARROW_LEFT).key_up(Keys.SHIFT).perform()
    settle(head)
    assert slice_shown(head) == 0
    assert head.find_element(By.ID, "probe").text == "≤ -1350 HU at column 1, row 1"


def test_the_live_region_says_slice_values_and_flags(head: Chrome) -> None:
    press(head, Keys.ARROW_DOWN)
    run(head, "say()")
    said = run(head, "return document.getElementById('live').textContent")
    assert said.startswith(f"Slice 2 of {COUNT}. 5.0 mm. sequence: epidural 0.")
    assert "flags: the pixel spacing is missing" in said
    assert head.find_element(By.ID, "live").get_attribute("aria-live") == "polite"


def test_everything_is_reached_by_tab_and_the_focus_is_seen(head: Chrome) -> None:
    reached = set()
    for _ in range(40):
        press(head, Keys.TAB)
        active = "document.activeElement"
        reached.add(run(head, f"return {active}.id || {active}.className || {active}.tagName"))
        if run(head, f"return {active}.matches(':focus-visible')"):
            assert run(head, f"return getComputedStyle({active}).outlineStyle") not in ("none", "")
    assert {"slice", "calibrated", "heat", "opacity", "side", "SUMMARY", "level", "width", "preset"} <= reached


def test_every_control_says_what_it_is(head: Chrome) -> None:
    missing = """
        const controls = document.querySelectorAll("button, input, select, canvas[role], thead th");
        const said = (one) => one.closest("[title]")?.title || one.ariaDescription;
        return [...controls].filter((one) => !said(one)).map((one) => one.outerHTML);
    """
    assert run(head, missing) == []
    press(head, "?")
    assert run(head, "return document.getElementById('keys').open")
    assert "Page Up" in head.find_element(By.ID, "keys").text
