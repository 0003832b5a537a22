"""A yes or no moves the other labels at once, in the browser, as the server would."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from .test_access import AXE, faults
from .test_page import add

PROBABILITIES = """() => import("/static/store.js").then(({ store }) =>
  Array.from(store.selected.probabilities))"""
READY = """() => import("/static/store.js").then(({ store }) => store.update !== null)"""


def until(page, check):
    """Wait until an asynchronous check is true: `wait_for_function` takes its promise for that."""
    page.evaluate(f"""async () => {{
      for (let tries = 0; tries < 400; tries++) {{
        if (await ({check})()) return;
        await new Promise((resume) => setTimeout(resume, 25));
      }}
      throw new Error("never true");
    }}""")


@pytest.fixture
def told(page, pictures):
    """The page with an image and the counts of label pairs."""
    add(page, pictures[0])
    until(page, READY)
    return page


def answer(page, word, label):
    """Return the button for yes or no to a label."""
    return page.get_by_role("button", name=f"{word}, {label}", exact=True)


def asked(page) -> list[str]:
    """Return a list that gets the address of every request from now on."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def test_an_answer_moves_the_others_as_the_server_would_and_asks_nobody(told, tagger, pictures):
    requests = asked(told)
    free = told.evaluate(PROBABILITIES)
    known: dict[str, int] = {}
    for word, label in (("yes", "red"), ("no", "circle"), ("yes", "dark")):
        answer(told, word, label).click()
        known[label] = 1 if word == "yes" else 0
        found = told.evaluate(PROBABILITIES)
        row = tagger.known_row(known)
        pixels = tagger.load_input(pictures[0])[None]
        expected = tagger.probabilities(pixels, row)[0].tolist()
        assert found == pytest.approx(expected, abs=2e-5)
        assert found != pytest.approx(free, abs=1e-3)
    assert [address for address in requests if "/v1/" in address] == []
    for word, label in (("yes", "dark"), ("no", "circle"), ("yes", "red")):
        answer(told, word, label).click()  # a second time: taken back
    assert told.evaluate(PROBABILITIES) == free


def test_rows_stay_under_the_pointer_until_it_leaves(told):
    names = told.locator(".label-name")
    before = names.all_inner_texts()
    last = told.locator(".answer.no").last
    last.click()
    expect(last).to_have_attribute("aria-pressed", "true")
    assert names.all_inner_texts() == before
    last.click()
    expect(last).to_have_attribute("aria-pressed", "false")
    told.locator(".answer.yes").last.click()
    told.mouse.move(5, 5)
    expect(names.first).to_have_text(before[-1])
    assert sorted(names.all_inner_texts()) == sorted(before)


def test_the_row_of_a_moved_label_says_why(told):
    answer(told, "yes", "red").click()
    reasons = told.locator(".because")
    expect(reasons.first).to_contain_text(
        re.compile(r"^red (raises|lowers) \w+: [<>]?\d+ % of images with red show it, ")
    )
    row = told.locator(".row", has=reasons).first
    expect(row.locator(".label")).to_have_accessible_description(
        re.compile(re.escape(row.locator(".because").inner_text()))
    )
    expect(told.locator("#status")).to_contain_text("red")
    answer(told, "yes", "red").click()
    expect(reasons).to_have_count(0)


def test_the_keyboard_answers_and_takes_back(told):
    button = answer(told, "yes", "square")
    free = told.evaluate(PROBABILITIES)
    button.focus()
    told.keyboard.press("Enter")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert told.evaluate(PROBABILITIES) != free
    told.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert told.evaluate(PROBABILITIES) == free


def test_counts_that_arrive_late_or_never_cost_no_answer(open_page, pictures):
    page = open_page()
    held = []
    page.route("**/v1/known", lambda route: held.append(route))
    page.reload()
    add(page, pictures[0])
    free = page.evaluate(PROBABILITIES)
    answer(page, "yes", "red").click()
    expect(answer(page, "yes", "red")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(PROBABILITIES) == free
    held[0].continue_()
    until(page, READY)
    until(page, f"() => ({PROBABILITIES})().then((p) => p.includes(1))")
    page.unroute("**/v1/known")
    page.route("**/v1/known", lambda route: route.abort())
    page.reload()
    add(page, pictures[0])
    answer(page, "yes", "red").click()
    expect(page.locator(".tag.corrected")).to_have_text("red")


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_reasons_are_readable(open_page, pictures, scheme):
    page = open_page(color_scheme=scheme, viewport={"width": 400, "height": 900})
    add(page, pictures[0])
    until(page, READY)
    answer(page, "yes", "red").click()
    answer(page, "no", "circle").click()
    expect(page.locator(".because").first).to_be_visible()
    page.wait_for_timeout(400)
    assert faults(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_facts_are_small_and_hold_no_name_of_an_image(tagger, pictures, page):
    facts = page.evaluate("() => fetch('/v1/known').then((answer) => answer.json())")
    assert set(facts) == {
        "beta", "surprise", "smoothing", "slope", "offset", "images", "counts",
    }  # fmt: skip
    assert not any(Path(picture).name in json.dumps(facts) for picture in pictures)
