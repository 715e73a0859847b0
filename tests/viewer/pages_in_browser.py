"""Pages of made-up series for a browser, and what a person does with them and sees."""

from __future__ import annotations

import numpy as np
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By

from browser import run, settle
from hounsfield.core.imaging.windows import Window, apply_window
from viewer.made_findings import made_head

PIXELS = made_head()
COUNT = len(PIXELS.values)


def press(driver: Chrome, *keys: str) -> None:
    ActionChains(driver, duration=0).send_keys(*keys).perform()
    settle(driver)


def slice_shown(driver: Chrome) -> int:
    """From 0, and the same in the slider, the picture and the words."""
    shown = int(run(driver, "return document.getElementById('image').dataset.slice"))
    assert run(driver, "return document.getElementById('slice').value") == str(shown + 1)
    assert driver.find_element(By.ID, "number").text == f"{shown + 1} / {COUNT}"
    return shown


def expected(values: np.ndarray, window: Window) -> np.ndarray:
    """The greys of a slice: cut to the range that a page holds, windowed, rounded half up."""
    return np.floor(apply_window(values.clip(-1350, 1300), window) * 255 + 0.5).astype(np.uint8)


def window_shown(driver: Chrome) -> Window:
    level, width = run(driver, "return [state.level, state.width]")
    return Window(level, width)


def click(driver: Chrome, element: str) -> None:
    driver.find_element(By.CSS_SELECTOR, element).click()
    settle(driver)
