"""More like this: the images on the page, sorted by likeness to the selected one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from .test_access import AXE, faults
from .test_page import add

LIKE = "More like this"
BACK = "Original order"
LOGITS = """() => import("/static/store.js").then(({ store }) =>
  store.items.map((item) => item.logits))"""
ORDER = """() => Promise.all(["store", "like"].map((name) => import(`/static/${name}.js`))).then(
  ([{ store }, { likeness }]) => likeness(store.items, store.selected).map((item) => item.name))"""


@pytest.fixture
def bad(tmp_path):
    """A file that is not an image: it has no scores."""
    path = tmp_path / "bad.png"
    path.write_bytes(b"no image")
    return str(path)


def names(page) -> list[str]:
    return page.locator(".card-name").all_inner_texts()


def like(page, place):
    """Select an image and sort the others by it; return its name."""
    page.locator(".card").nth(place).click()
    page.get_by_role("button", name=LIKE).click()
    return Path(page.locator("#detail-title").inner_text()).name


def test_it_sorts_the_images_by_their_scores_and_back_and_asks_nobody(page, pictures, bad):
    add(page, [bad, *pictures[:11]])
    came = names(page)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    name = like(page, 4)
    expect(page.locator("#sorted")).to_contain_text(f"Sorted by likeness to {name}")
    expect(page.locator("#status")).to_have_text(f"Sorted by likeness to {name}")
    scores = np.array([row for row in page.evaluate(LOGITS) if row])
    centred = scores - scores.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[came.index(name) - 1]), kind="stable")
    assert names(page) == [*(came[place + 1] for place in order), came[0]]
    assert names(page)[0] == name
    page.get_by_role("button", name=BACK).click()
    expect(page.locator("#sorted")).to_be_hidden()
    assert names(page) == came
    assert [address for address in requests if "/v1/" in address and "maps" not in address] == []


def test_the_keyboard_is_enough_and_the_arrows_follow_the_order_shown(page, pictures):
    add(page, pictures[:8])
    page.locator(".card").nth(5).click()
    button = page.get_by_role("button", name=LIKE)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_be_focused()
    shown = names(page)
    page.locator(".card").first.focus()
    for name in shown[1:4]:
        page.keyboard.press("ArrowRight")
        expect(page.locator(".card:focus .card-name")).to_have_text(name)
    page.get_by_role("button", name="Remove this image").click()
    expect(page.locator("#detail-title")).to_have_text(shown[4])  # the next one as shown
    page.get_by_role("button", name=BACK).focus()
    page.keyboard.press("Space")
    expect(page.locator(".card[aria-current]")).to_be_focused()
    expect(page.locator(".card[aria-current] .card-name")).to_have_text(shown[4])
    expect(page.locator("#status")).to_have_text(BACK)


def test_images_that_come_later_are_sorted_in_and_the_tables_keep_their_order(page, pictures):
    add(page, pictures[:6])
    name = like(page, 2)
    add(page, pictures[6:9])
    expect(page.locator(".card-name")).to_have_text(page.evaluate(ORDER))
    assert names(page)[0] == name
    with page.expect_download() as saved:
        page.get_by_role("button", name="Tags as CSV").click()
    rows = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [Path(path).name for path in pictures[:9]]


def test_removing_the_image_itself_or_all_ends_the_order(page, pictures):
    add(page, pictures[:6])
    came = names(page)
    name = like(page, 3)
    page.get_by_role("button", name="Remove this image").click()
    expect(page.locator("#sorted")).to_be_hidden()
    assert names(page) == [other for other in came if other != name]
    like(page, 1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#sorted")).to_be_hidden()
    add(page, pictures[:3])
    assert names(page) == [Path(path).name for path in pictures[:3]]


def test_it_is_offered_where_there_are_scores_to_sort_by(page, pictures, bad):
    add(page, pictures[0])
    button = page.get_by_role("button", name=LIKE)
    expect(button).to_be_hidden()  # nothing to sort
    add(page, [pictures[1], bad])
    expect(button).to_be_visible()
    page.locator(".card.failed").click()
    expect(button).to_be_hidden()


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious_in_it(open_page, pictures, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    add(page, pictures[:5])
    like(page, 3)
    expect(page.locator("#sorted")).to_be_visible()
    page.wait_for_timeout(400)
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
