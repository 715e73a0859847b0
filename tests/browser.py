"""A headless browser for pages on disk, and what a test asks of it. Without one, such tests are skipped."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    BROWSER is None or DRIVER is None,
    reason="no chromium or no chromedriver here; on Debian: apt-get install chromium chromium-driver",
)
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
PATIENCE = 600  # seconds, on a machine that is busy


@contextmanager
def browser() -> Iterator[Chrome]:
    """A browser that logs its console and every request."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def size(driver: Chrome, width: int, height: int = 900, scheme: str = "light") -> None:
    """Set the window's inner size and the colour scheme."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def open_page(driver: Chrome, path: Path) -> None:
    """Open a page; of a series, wait until all slices are unpacked and the first is drawn."""
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(path.as_uri())
    wait_until(driver, "!document.getElementById('viewer') || document.documentElement.dataset.unpacked === 'all'")
    settle(driver)


def wait_until(driver: Chrome, condition: str) -> None:
    """Wait for an expression of JavaScript to become true."""
    WebDriverWait(driver, PATIENCE, 0.02).until(lambda one: one.execute_script(f"return {condition}"), condition)


def settle(driver: Chrome) -> None:
    """Wait until the page has drawn what was last asked of it."""
    script = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))"
    driver.execute_async_script(script)


def run(driver: Chrome, script: str, *arguments: Any) -> Any:
    """Run JavaScript that returns a value."""
    return driver.execute_script(script, *arguments)


def requests_of(driver: Chrome) -> list[str]:
    """The addresses that the page has asked for since it was opened."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith("data:")]


def greys(driver: Chrome, canvas: str = "image", channel: int = 0) -> np.ndarray:
    """One channel of a canvas, the red one or another; 3 is how opaque it is. Returns (rows, columns) uint8."""
    script = """
        const canvas = document.getElementById(arguments[0]);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let text = "";
        for (let i = arguments[1]; i < data.length; i += 4) text += String.fromCharCode(data[i]);
        return [canvas.height, canvas.width, btoa(text)];
    """
    rows, columns, text = driver.execute_script(script, canvas, channel)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(rows, columns)
