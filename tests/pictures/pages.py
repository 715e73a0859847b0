"""Draw the README's picture of a page: what a browser shows of it.

    python -m pictures.pages --page preds/hemorrhage/quickstart/studies/phantom/<study>/series_1.html \
        --output .github/pictures/viewer.png --keys "PAGE_DOWN 2"

In: a page of run_71, run_72, run_81 or run_82. Out: the picture, of the page's upper end. Debian's chromium and
chromium-driver are needed.
"""

from __future__ import annotations

import argparse
import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image
from selenium.webdriver import ActionChains, Keys

from browser import browser, open_page, settle, size
from hounsfield.core.stages.exits import run
from pictures.figures import save_with_palette

GREYS, EXACT = 64, 48  # of the palette


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--page", type=Path, required=True, help="the HTML file")
    parser.add_argument("--output", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--width", type=int, default=1200, help="of the window, in CSS pixels")
    parser.add_argument("--height", type=int, default=800, help="of the window, in CSS pixels")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light", help="the colour scheme")
    parser.add_argument("--keys", default="", help="pressed before: letters, or selenium's names such as PAGE_DOWN")
    options = parser.parse_args()
    with browser() as driver:
        size(driver, options.width, options.height, options.scheme)
        open_page(driver, options.page.resolve())
        for key in options.keys.split():
            ActionChains(driver, duration=0).send_keys(getattr(Keys, key, key)).perform()
            settle(driver)
        shot = base64.b64decode(driver.get_screenshot_as_base64())
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    save_with_palette(pixels, options.output, GREYS, EXACT)
    print(f"{options.output}: {options.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    run(main)
