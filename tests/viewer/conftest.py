"""One browser, and the pages that it opens, for every file of tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from browser import browser, open_page, size
from hounsfield.viewer.study_page import study_page
from viewer.made_findings import HOSTILE, VERTEBRAE, made_film, made_findings, made_neck, made_overlays
from viewer.pages_in_browser import COUNT, PIXELS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages")
    overlays = made_overlays(PIXELS)
    (path / "head.html").write_text(study_page(made_findings(COUNT), 0, PIXELS, overlays))
    (path / "hostile.html").write_text(study_page(made_findings(COUNT, text=HOSTILE), 0, PIXELS, overlays))
    neck, curves = made_neck()
    findings = made_findings(len(neck.values), names=("overall", *VERTEBRAE), system="spine", with_models=False)
    (path / "neck.html").write_text(study_page(findings, 0, neck, curves))
    film, outline = made_film()
    findings = made_findings(1, names=("pneumothorax",), system="pneumothorax", calibrated=False)
    (path / "film.html").write_text(study_page(findings, 0, film, outline))
    return path


@pytest.fixture(scope="session")
def driver() -> Iterator[Chrome]:
    with browser() as one:
        yield one


@pytest.fixture
def head(driver: Chrome, folder: Path) -> Chrome:
    size(driver, 1440)
    open_page(driver, folder / "head.html")
    return driver
