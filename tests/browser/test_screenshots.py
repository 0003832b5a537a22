"""The pictures of the page in docs/images, taken with the demo's tagger on images it never saw.

Needs `runs/demo`, which `make demo` writes, or another tagger of the same data in $IMLGCN_TAGGER.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.data.openclipart import unpack

from .conftest import serve
from .test_page import add

ROOT = Path(__file__).parents[2]
TAGGER = Path(os.environ.get("IMLGCN_TAGGER", ROOT / "runs/demo"))
# all of the test split
SHOWN = {
    "flowers.jpg": "plants__flowers__flowers_jonathan_dietric_01.jpg",
    "penguin.jpg": "animals__birds__new_penguin_charles_mcco_01.jpg",
    "house.jpg": "buildings__homes__my_house_01.jpg",
    "orange.jpg": "food__fruit__orange_slice_jonathan_di_01.jpg",
    "bicycle.jpg": "transportation__vehicles__bicycle_01.jpg",
    "dog.jpg": "animals__mammals__dogs__black_lab_ganson.jpg",
    "south-korea.jpg": "signs_and_symbols__flags__asia__south_korea.jpg",
    "harp.jpg": "recreation__music__harp1_ganson.jpg",
    "ice-cream.jpg": "food__desserts__cone_alt1.jpg",
    "bicycles.jpg": "transportation__roadsigns__watch_for_bicycles_sign_01.jpg",
    "television.jpg": "electronics__television_alexander_d.__01.jpg",
    "horse.jpg": "animals__mammals__horses__cavallo_architetto_franc_04.jpg",
}
VIEWS = {
    "page-light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "page-dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "page-phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 1480},
        "device_scale_factor": 2,
    },
}


BICYCLES = {  # what the demo's tagger has no label for; the last one is not shown to it
    "cyclist.jpg": "transportation__bicycle_philippe_colin_01.jpg",
    "penny-farthing.jpg": "transportation__bike_tobias_jakobs_.jpg",
    "road-sign.jpg": "transportation__roadsigns__watch_for_bicycles_sign_01.jpg",
    "racer.jpg": "transportation__vehicles__bicycle_01.jpg",
}
ALONE = {"viewport": {"width": 1000, "height": 1700}, "bypass_csp": True}
NO_DETAIL = """#detail { display: none !important }
.bench { grid-template-columns: minmax(0, 1fr) !important }"""
SHOWS = {"grow": ["#images"], "grown": ["#grown", "#images"]}
BESIDE = ("flowers", "penguin", "house", "orange", "dog", "harp", "ice-cream", "horse")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The address of the demo's tagger and the images, under short names."""
    images = tmp_path_factory.mktemp("shown")
    source = unpack() / "images"
    for name, file in SHOWN.items():
        shutil.copy(source / file, images / name)
    process, where = serve(TAGGER)
    yield where, [str(images / name) for name in SHOWN]
    process.terminate()
    process.wait(timeout=30)


@pytest.mark.skipif(not TAGGER.is_dir(), reason="needs runs/demo: make demo")
@pytest.mark.parametrize("name", VIEWS)
def test_a_picture_of_the_page(open_page, demo, name, tmp_path):
    where, images = demo
    page = open_page(where, **VIEWS[name])
    add(page, images)
    page.locator(".label").first.click()
    expect(page.locator("#stage.heated")).to_have_count(1)
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(600)  # transitions
    raw = tmp_path / "raw.png"
    page.screenshot(path=raw, full_page=name != "page-phone")
    keep(raw, name)


def keep(raw, name):
    """Write a picture of the page into the documentation."""
    out = ROOT / "docs/images" / f"{name}.png"
    with Image.open(raw) as picture:
        picture.convert("RGB").save(out, optimize=True)
    assert out.stat().st_size < 600_000


def picture_of_labels(page, folder, scheme):
    """Take the dialog of labels, two of them chosen."""
    page.get_by_role("button", name="Labels", exact=True).click()
    for label in ("clothing", "hat"):
        page.get_by_role("checkbox", name=label, exact=True).check()
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(600)
    page.locator("#labels").screenshot(path=folder / "raw.png")
    keep(folder / "raw.png", f"labels-{scheme}")


@pytest.mark.skipif(not TAGGER.is_dir(), reason="needs runs/demo: make demo")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_of_what_to_label_next(open_page, demo, tmp_path, scheme):
    where, images = demo
    page = open_page(where, color_scheme=scheme, **ALONE)
    page.add_style_tag(content=NO_DETAIL)
    add(page, images)
    page.get_by_role("button", name="Which to label next").click()
    expect(page.locator("#next-says")).to_contain_text("next, the most useful", timeout=60_000)
    page.get_by_label("Images", exact=True).fill("5")
    page.get_by_label("Rare labels first").check()
    expect(page.locator(".reason:visible")).to_have_count(5, timeout=60_000)
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(600)
    clip = around(page, ["#images"])
    last = page.locator(".card").nth(4).bounding_box()
    clip["height"] = last["y"] + last["height"] + 14 - clip["y"]
    page.screenshot(path=tmp_path / "raw.png", clip=clip)
    keep(tmp_path / "raw.png", f"next-{scheme}")


def around(page, selectors):
    """Return the part of the page that holds some elements."""
    boxes = [page.locator(selector).bounding_box() for selector in selectors]
    left, top = (min(box[side] for box in boxes) for side in "xy")
    right = max(box["x"] + box["width"] for box in boxes)
    bottom = max(box["y"] + box["height"] for box in boxes)
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


@pytest.mark.skipif(not TAGGER.is_dir(), reason="needs runs/demo: make demo")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_of_a_new_label(open_page, demo, tmp_path, scheme):
    copy = shutil.copytree(TAGGER, tmp_path / "demo")
    for name, file in BICYCLES.items():
        shutil.copy(unpack() / "images" / file, tmp_path / name)
    others = [path for path in demo[1] if Path(path).stem in BESIDE]
    process, where = serve(copy, "--grow")
    try:
        page = open_page(where, color_scheme=scheme, **ALONE)
        page.add_style_tag(content=NO_DETAIL)
        add(page, [*(str(tmp_path / name) for name in BICYCLES), *others])
        for number in range(3):
            page.locator(".pick input").nth(number).check()
        page.get_by_label("New label").fill("bicycle")
        for name in ("grow", "grown"):
            page.mouse.move(2, 2)
            page.wait_for_timeout(600)  # transitions
            page.screenshot(path=tmp_path / "raw.png", clip=around(page, SHOWS[name]))
            keep(tmp_path / "raw.png", f"{name}-{scheme}")
            if name == "grow":
                page.get_by_role("button", name="Add", exact=True).click()
                expect(page.locator("#grown")).to_be_visible(timeout=60_000)
                expect(page.locator("#gallery")).to_contain_text("bicycle")
                page.evaluate("document.activeElement.blur()")
        picture_of_labels(page, tmp_path, scheme)
    finally:
        process.terminate()
        process.wait(timeout=30)
