"""Draw docs/images/notebook-{light,dark}.webp: cards as a notebook shows them, in Chromium.

Run after ``imlgcn demo``: ``python docs/notebook.py runs/demo``. It needs the extra ``browser``.
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from imlgcn import Tagger, explain, load_dataset
from imlgcn.palette import DARK, LIGHT

IMAGES = Path(__file__).parent / "images"
SHOWN = "pie_cherry"  # in its name: three true labels, all found
PAGE = "<!doctype html><meta charset='utf-8'><body {} style='margin:16px;background:{}'>{}"


def main(folder: str) -> None:
    """Write both images."""
    tagger = Tagger.load(folder)
    records = [r for r in load_dataset("openclipart").records if r.split == "test"]
    path = next((r.path for r in records if SHOWN in r.name), records[0].path)
    found = (tagger(path), explain(tagger, path))
    cards = "<div style='height:12px'></div>".join(each._repr_html_() for each in found)
    themes = {"light": ("true", LIGHT), "dark": ("false", DARK)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, (is_light, colours) in themes.items():
            page = browser.new_page(viewport={"width": 770, "height": 300}, device_scale_factor=1.5)
            attribute = f'data-jp-theme-light="{is_light}"'
            page.set_content(PAGE.format(attribute, colours["page"], cards))
            drawn = Image.open(BytesIO(page.screenshot(full_page=True)))
            drawn.save(IMAGES / f"notebook-{name}.webp", quality=85)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
