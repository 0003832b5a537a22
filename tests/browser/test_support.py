"""The training images behind a label, on the page: of a tagger that scores by them."""

from __future__ import annotations

import re
import shutil

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.tagger.folder import SUPPORT

from .conftest import serve
from .test_access import AXE, faults
from .test_page import add


@pytest.fixture(scope="module")
def folder(once, train_tiny):
    """The folder of a tagger with the kernel head and thumbnails."""
    return once("pictured", lambda f: train_tiny(f, head="kernel", keep_thumbnails=True))


@pytest.fixture(scope="module")
def kernel(folder):
    """Where it is served."""
    process, where = serve(folder, "--engine", "torch")
    yield where
    process.terminate()
    assert process.wait(timeout=30) == 0


def sums(page):
    """Return the numbers of the line below the images, as they are shown."""
    texts = page.locator(".sum strong").all_inner_texts()
    return [float(text.replace("−", "-").replace("=", "").strip()) for text in texts]


def test_a_chosen_label_shows_the_images_that_speak_for_and_against_it(open_page, kernel, pictures):
    page = open_page(kernel)
    add(page, pictures[0])
    expect(page.locator("#map-hint")).to_contain_text("training images behind its score")
    first = page.locator(".label").first
    first.hover()
    expect(page.locator(".support")).to_have_count(0)  # pointing moves nothing
    first.click()
    panel = page.locator(".row").first.locator(".support")
    expect(panel.get_by_role("heading")).to_have_text(
        ["Training images that speak for it", "Training images that speak against it"]
    )
    shown = panel.locator(".side.for img")
    expect(shown).not_to_have_count(0)
    assert shown.first.evaluate("image => image.naturalWidth") > 0
    assert re.fullmatch(r"\d+\.png", shown.first.get_attribute("alt"))
    assert panel.locator(".side.for .effect").first.inner_text().startswith("+")
    assert panel.locator(".side.against .effect").first.inner_text().startswith("−")
    images, others, bias, score = sums(page)
    assert images + others + bias == pytest.approx(score)
    name = page.locator(".label-name").first.inner_text()
    expect(page.locator("#status")).to_contain_text(f"Training images for “{name}”: ")
    first.click()
    expect(page.locator(".support")).to_have_count(0)


def test_the_keyboard_opens_them_and_they_stay_while_bars_are_drawn_anew(
    open_page, kernel, pictures
):
    page = open_page(kernel)
    add(page, pictures[:2])
    second = page.locator(".label").nth(1)
    second.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".support .side").first).to_be_visible()
    before = page.locator(".support").inner_text()
    page.locator("#slider").press("ArrowRight")
    page.locator(".answer.no").first.click()
    expect(page.locator(".row", has=page.locator("[aria-pressed=true].label"))).to_have_count(1)
    assert page.locator(".support").inner_text() == before
    page.locator("#find").fill("no such label")
    expect(page.locator(".support")).to_have_count(0)
    page.locator("#find").fill("")
    assert page.locator(".support").inner_text() == before
    page.locator(".card").nth(1).click()
    expect(page.locator(".support")).to_have_count(0)


def test_only_the_label_chosen_last_is_answered(open_page, kernel, pictures):
    page = open_page(kernel)
    add(page, pictures[0])
    held = []
    page.route("**/v1/support?*", lambda route: held.append(route))
    for place in (0, 1):
        page.locator(".label").nth(place).click()
    expect(page.locator(".support")).to_have_text("Comparing with the training images…")
    while len(held) < 2:
        page.wait_for_timeout(20)
    held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator(".support")).to_have_text("Comparing with the training images…")
    held[1].continue_()
    expect(page.locator(".row").nth(1).locator(".support .side")).not_to_have_count(0)


def test_without_the_file_of_names_one_sentence_says_why(open_page, folder, pictures, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / SUPPORT).unlink()
    process, where = serve(bare, "--engine", "torch")
    try:
        page = open_page(where)
        add(page, pictures[0])
        page.locator(".label").first.click()
        said = re.compile(r"^This tagger scores by its training images.*keeps them\.$")
        expect(page.locator(".support")).to_have_text(said)
        expect(page.locator(".support img, .support li")).to_have_count(0)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_a_head_that_does_not_score_by_images_shows_none(page, pictures):
    add(page, pictures[0])
    page.locator(".label").first.click()
    expect(page.locator("#stage.heated")).to_have_count(1)
    expect(page.locator(".support")).to_have_count(0)


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious_in_them(open_page, kernel, pictures, scheme, width):
    page = open_page(kernel, color_scheme=scheme, viewport={"width": width, "height": 900})
    add(page, pictures[0])
    page.locator(".label").first.click()
    expect(page.locator(".support .side").first).to_be_visible()
    page.wait_for_timeout(400)
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
