"""Which images to label next, on the page: the choice of `imlgcn suggest`, with its words."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn import suggest

from .test_access import AXE, faults
from .test_page import add


@pytest.fixture
def images(crosses, pictures):
    """Six images of a cross, which training has not seen, among others."""
    return [*pictures[:8], *map(str, crosses), *pictures[8:14]]


def names(page) -> list[str]:
    return [card.get_attribute("title") for card in page.locator(".card").all()]


def choose(page, budget=None):
    """Press the button and wait for the choice."""
    page.get_by_role("button", name="Which to label next").click()
    expect(page.locator("#next-says")).to_contain_text(
        "next, the most useful first", timeout=60_000
    )
    if budget is not None:
        page.get_by_label("Images", exact=True).fill(str(budget))
        page.get_by_role("button", name="Choose again").click()
        expect(page.locator(".reason:visible")).to_have_count(budget, timeout=60_000)


def test_the_images_come_in_the_order_of_the_command_with_its_words(page, tagger, images, tmp_path):
    expected = suggest(tagger, images, budget=4)
    add(page, images)
    before = names(page)
    choose(page, 4)
    assert names(page)[:4] == [Path(image.image).name for image in expected.images]
    for place, image in enumerate(expected.images):
        words = page.locator(".card").nth(place).locator(".reason").inner_text()
        assert words.lower() == f"{place + 1}. {image.why}."
    expect(page.locator("#next-says")).to_contain_text("Label these 4 of 20 images next")
    expect(page.locator("#status")).to_contain_text("Label these 4 of 20 images next")
    with page.expect_download() as caught:
        page.get_by_role("button", name="As CSV", exact=True).click()
    caught.value.save_as(tmp_path / "next.csv")
    with (tmp_path / "next.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == names(page)[:4]
    assert [row["why"] for row in rows] == [image.why for image in expected.images]

    page.get_by_role("button", name="Original order").click()
    assert names(page) == before
    expect(page.locator("#next-bar")).to_be_hidden()
    expect(page.locator(".reason:visible")).to_have_count(0)
    expect(page.locator(".card[aria-current]")).to_be_focused()


def test_rare_labels_first_says_which_are_unsure_and_reads_no_image_again(page, images):
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "vectors" in request.url else 0)
    add(page, images)
    choose(page)
    assert len(sent) == 2, "sixteen at once, then four"
    page.get_by_label("Rare labels first").check()
    expect(page.locator(".reason").first).to_contain_text("unsure: ", timeout=60_000)
    assert len(sent) == 2


def test_more_like_this_takes_its_place_and_the_other_way_round(page, images):
    add(page, images)
    choose(page)
    page.get_by_role("button", name="More like this").click()
    expect(page.locator("#next-bar")).to_be_hidden()
    expect(page.locator("#sorted")).to_be_visible()
    choose(page)
    expect(page.locator("#sorted")).to_be_hidden()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#next-bar")).to_be_hidden()


def test_what_the_server_refuses_is_said(page, images):
    add(page, images[:3])
    refusal = {"error": {"code": "busy", "message": "no time for this"}}
    page.route("**/v1/suggest", lambda route: route.fulfill(status=422, json=refusal))
    page.get_by_role("button", name="Which to label next").click()
    expect(page.locator("#next-says")).to_have_text("no time for this", timeout=60_000)


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_choice(open_page, images, scheme):
    page = open_page(color_scheme=scheme, viewport={"width": 400, "height": 900})
    add(page, images)
    choose(page, 5)
    page.wait_for_timeout(300)
    assert faults(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
