"""For everybody: axe-core finds no serious fault, what happens is said, the keyboard is enough."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from .test_page import add

AXE = Path(os.environ.get("AXE", "node_modules/axe-core/axe.min.js"))


def faults(page) -> list[str]:
    """Return the serious faults, each with the element it is at."""
    # evaluated by the driver, outside of the page's content policy
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("() => axe.run()")
    return [
        f"{fault['id']}: {node['html'][:140]} {node['failureSummary']}"
        for fault in result["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious(open_page, pictures, tmp_path, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    assert faults(page) == []
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    add(page, [*pictures[:3], str(bad)])
    page.locator(".answer.yes").first.click()
    page.locator(".answer.no").nth(1).click()
    page.wait_for_timeout(400)
    assert faults(page) == []
    page.locator(".card.failed").click()
    assert faults(page) == []
    page.goto(f"{page.url.rstrip('/')}/docs")
    page.wait_for_selector("#operations section")
    assert faults(page) == []


def heard(page):
    """Return a list that all announcements of the page are put into."""
    said = []
    page.expose_function("heard", lambda text: said.append(text))
    page.evaluate(
        """new MutationObserver(() => heard(document.getElementById("status").textContent))
        .observe(document.getElementById("status"), { childList: true })"""
    )
    return said


def test_a_tag_is_announced(page, pictures, tagger):
    add(page, pictures[0])
    expected = [tag.label for tag in tagger(pictures[0])]
    expect(page.locator("#status")).to_have_text(
        f"{Path(pictures[0]).name}: {', '.join(expected) or 'no tag'}"
    )


def test_that_all_is_done_is_said_once_and_hides_no_tag(page, pictures):
    said = heard(page)
    held = []
    page.route("**/v1/tags?*", lambda route: held.append(route))
    page.set_input_files("#files", pictures[:2])
    while len(held) < 2:
        page.wait_for_timeout(20)
    held[1].continue_()
    expect(page.locator(".card.done")).to_have_count(1)
    page.locator(".card.waiting").click()  # the chosen one comes last
    name = page.locator("#detail-title").inner_text()
    held[0].continue_()
    expect(page.locator("#status")).to_contain_text("All 2 images are done")
    assert f"{name}: " in said[-1]
    assert said[-1].endswith(". All 2 images are done")
    page.evaluate(
        """import("/static/store.js").then(({ store, correct }) => {
        store.model.known_by = "head";
        correct(store.selected, 0, 1); })"""
    )
    while len(held) < 3:
        page.wait_for_timeout(20)
    held[2].fulfill(json={"images": [{"probabilities": [1, 0, 0, 0, 0]}]})
    expect(page.locator("#status")).to_have_text(f"{name}: blue")
    page.wait_for_timeout(100)
    assert ["All" in words for words in said].count(True) == 1


def test_stepping_to_a_label_says_where_it_is(page, pictures):
    add(page, pictures[0])
    first = page.locator(".label").first
    assert page.locator("#map-says").get_attribute("aria-live") == "polite"
    assert page.locator("#map-says").inner_text() == ""
    expect(page.locator("#map-hint")).to_contain_text("step to it")
    first.focus()
    name = page.locator(".label-name").first.inner_text()
    place = "(nowhere in particular|(upper|lower|top|bottom|centre|left|right)[a-z ]*, [0-9]+ %)"
    expect(page.locator("#map-says")).to_have_text(re.compile(f"^“{name}”: {place}"))
    expect(page.locator("#map-hint")).to_have_text("")


@pytest.mark.parametrize("width", [1280, 900])
def test_down_and_up_go_to_the_card_below_and_above(open_page, pictures, width):
    page = open_page(viewport={"width": width, "height": 900})
    add(page, pictures[:9])
    cards = page.locator(".card")
    places = [cards.nth(number).bounding_box() for number in range(9)]
    below = [
        number
        for number, place in enumerate(places)
        if place["y"] > places[0]["y"] + 5 and abs(place["x"] - places[0]["x"]) < 5
    ]
    cards.first.focus()
    page.keyboard.press("ArrowDown")
    target = below[0] if below else 0  # one row that scrolls: there is none below
    assert bool(below) == (width == 1280)
    expect(cards.nth(target)).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowUp")
    expect(cards.first).to_have_attribute("aria-current", "true")
