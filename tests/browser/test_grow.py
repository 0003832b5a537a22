"""A label taught on the page: images selected, a name given, the tag seen, taken back."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.tagger import Tagger

from .conftest import serve
from .test_access import AXE, faults
from .test_page import add, tags


@pytest.fixture
def grown(own_kernel):
    """Where a tagger is served that the page may change; its folder."""
    process, where = serve(own_kernel, "--engine", "torch", "--grow")
    yield where, own_kernel
    process.terminate()
    assert process.wait(timeout=30) == 0


@pytest.fixture
def images(crosses, pictures):
    """Six images of a cross, then four without."""
    return [*map(str, crosses), *pictures[:4]]


def box(page, number):
    """Return the checkbox of a card."""
    return page.locator(".pick input").nth(number)


def teach(page, name, numbers):
    """Select cards, give the name, and wait until the label has been learnt."""
    for number in numbers:
        box(page, number).check()
    page.get_by_label("New label").fill(name)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#grown-says")).to_contain_text(f"New label “{name}”", timeout=120_000)
    expect(page.locator("#progress")).to_be_hidden()


def test_images_selected_and_named_become_a_label_that_undo_takes_back(open_page, grown, images):
    where, folder = grown
    page = open_page(where)
    add(page, images)
    facts = page.locator("#facts")
    expect(facts).to_contain_text("5 labels")
    expect(page.locator("#grow")).to_be_hidden()
    box(page, 0).check()
    box(page, 1).check()
    expect(page.locator("#grow-count")).to_have_text("2 selected")
    expect(page.locator("#grow-rest-says")).to_have_text("The other 8 images here do not show it")
    expect(page.locator("#status")).to_contain_text("2 selected")
    page.get_by_label("do not show it").check()
    teach(page, "cross", [2, 3])
    expect(page.locator("#grown-says")).to_contain_text("learnt from 4 images; ")
    expect(facts).to_contain_text("6 labels")
    expect(page.locator("#grow")).to_be_hidden()
    assert Tagger.load(folder).labels[-1] == "cross"
    for number in range(6):  # those it was not shown as well
        expect(page.locator(".card").nth(number).locator(".tags")).to_contain_text("cross")
    assert "cross" not in tags(page, 7)

    undo = page.get_by_role("button", name="Undo: add cross")
    expect(undo).to_be_focused()
    page.get_by_role("button", name="yes, cross", exact=True).click()  # its index goes with it
    undo.click()
    expect(page.locator("#grown-says")).to_have_text("Taken back: add cross.", timeout=60_000)
    expect(facts).to_contain_text("5 labels")
    expect(undo).to_be_hidden()
    assert "cross" not in Tagger.load(folder).labels
    for number in range(6):
        assert "cross" not in tags(page, number)


def test_answers_stay_with_their_labels_when_the_tagger_changes(open_page, grown, images):
    page = open_page(grown[0])
    add(page, images)
    page.get_by_role("button", name="yes, red", exact=True).click()
    teach(page, "cross", [0, 1, 2])
    button = page.get_by_role("button", name="yes, red", exact=True)
    expect(button).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="yes, cross", exact=True).click()
    expect(page.locator(".card").first.locator(".tag.corrected")).to_have_count(2)


def test_the_keyboard_is_enough(open_page, grown, images):
    page = open_page(grown[0])
    add(page, images[:7])
    page.locator(".card").first.focus()
    page.keyboard.press("Tab")
    expect(box(page, 0)).to_be_focused()
    page.keyboard.press("Space")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
    expect(page.locator("#grow-count")).to_have_text("3 selected")
    expect(box(page, 2)).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_label("New label")).to_be_focused()
    page.keyboard.type("cross")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Undo: add cross")).to_be_focused(timeout=120_000)
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_contain_text("5 labels", timeout=60_000)
    expect(page.locator(".card[aria-current]")).to_be_focused()


def test_what_the_server_refuses_is_said_and_the_selection_stays(open_page, grown, images):
    page = open_page(grown[0])
    add(page, images[:3])
    box(page, 0).check()
    page.get_by_role("button", name="Select all").click()
    expect(page.locator("#grow-count")).to_have_text("3 selected")
    expect(page.get_by_label("do not show it")).to_be_hidden()
    page.get_by_label("New label").fill("red")
    page.get_by_role("button", name="Add", exact=True).click()
    problem = page.locator("#grow-problem")
    expect(problem).to_contain_text("trained with the label 'red'", timeout=60_000)
    expect(page.locator("#grow-count")).to_have_text("3 selected")
    page.get_by_role("button", name="Select none").click()
    expect(page.locator("#grow")).to_be_hidden()
    expect(page.locator(".card[aria-current]")).to_be_focused()


def test_without_grow_there_is_nothing_to_select(page, pictures):
    add(page, pictures[:2])
    expect(page.locator(".pick")).to_have_count(0)
    expect(page.locator("#undo")).to_be_hidden()


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_at_any_step(open_page, grown, images, scheme):
    page = open_page(grown[0], color_scheme=scheme, viewport={"width": 400, "height": 900})
    add(page, images)
    box(page, 0).check()
    assert faults(page) == []
    teach(page, "cross", [1, 2])
    page.wait_for_timeout(400)
    assert faults(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
