"""Labels removed, renamed and merged on the page, as `imlgcn label` does it, and taken back."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.tagger import Tagger

from .conftest import serve
from .test_access import AXE, faults
from .test_page import add


@pytest.fixture
def grown(own_kernel):
    """Where a tagger is served that the page may change; its folder."""
    process, where = serve(own_kernel, "--engine", "torch", "--grow")
    yield where, own_kernel
    process.terminate()
    assert process.wait(timeout=30) == 0


def choose(page, *names):
    """Open the dialog and choose labels."""
    page.get_by_role("button", name="Labels", exact=True).click()
    for name in names:
        page.get_by_role("checkbox", name=name, exact=True).check()


def labels(folder) -> list[str]:
    return list(Tagger.load(folder).labels)


def test_labels_are_renamed_merged_and_removed_and_answers_stay_with_them(
    open_page, grown, pictures
):
    where, folder = grown
    page = open_page(where)
    add(page, pictures[:3])
    page.get_by_role("button", name="yes, red", exact=True).click()
    says = page.locator("#grown-says")

    choose(page, "red")
    expect(page.locator("#change-says")).to_contain_text("“red” keeps its scores under a new name")
    page.get_by_label("New name").fill("crimson")
    page.get_by_role("button", name="Rename").click()
    expect(says).to_have_text("“red” is now called “crimson”.", timeout=60_000)
    expect(page.locator("#labels")).to_be_hidden()
    assert labels(folder) == ["blue", "circle", "dark", "crimson", "square"]
    crimson = page.get_by_role("button", name="yes, crimson", exact=True)
    expect(crimson).to_have_attribute("aria-pressed", "true")

    choose(page, "crimson", "blue")
    expect(page.locator("#change-says")).to_contain_text("“crimson” and “blue” become one label")
    page.get_by_label("Their common name").fill("coloured")
    page.keyboard.press("Enter")
    expect(says).to_have_text("“crimson” and “blue” are now one label, “coloured”.", timeout=60_000)
    expect(page.get_by_role("button", name="yes, coloured", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )

    choose(page, "circle", "square")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(says).to_have_text("“circle” and “square” are no longer labels.", timeout=60_000)
    expect(page.locator("#facts")).to_contain_text("2 labels")
    assert labels(folder) == ["coloured", "dark"]

    for what in ("remove circle, square", "merge crimson, blue into coloured"):
        page.get_by_role("button", name=f"Undo: {what}").click()
        expect(says).to_have_text(f"Taken back: {what}.", timeout=60_000)
    crimson.click()
    page.get_by_role("button", name="Undo: rename red to crimson").click()
    expect(says).to_have_text("Taken back: rename red to crimson.", timeout=60_000)
    assert labels(folder) == ["blue", "circle", "dark", "red", "square"]
    red = page.get_by_role("button", name="yes, red", exact=True)
    expect(red).to_have_attribute("aria-pressed", "true")


def test_the_keyboard_is_enough_and_the_focus_is_never_lost(open_page, grown):
    page = open_page(grown[0])
    page.get_by_role("button", name="Labels", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#labels")).to_be_visible()
    page.get_by_label("Search").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("checkbox", name="dark")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.get_by_label("New name")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("dim")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Undo: rename dark to dim")).to_be_focused(
        timeout=60_000
    )
    page.keyboard.press("Enter")
    expect(page.locator("#grown-says")).to_contain_text("Taken back", timeout=60_000)
    page.get_by_role("button", name="Labels", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Labels", exact=True)).to_be_focused()


def test_what_the_server_refuses_is_said_in_the_dialog(open_page, grown):
    page = open_page(grown[0])
    choose(page, "red")
    page.get_by_label("New name").fill("blue")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#change-problem")).to_contain_text("there is a label 'blue' already")
    page.get_by_label("Search").fill("squ")
    expect(page.locator(".labels-list li")).to_have_count(1)
    page.get_by_role("checkbox", name="square").check()
    expect(page.locator("#change-problem")).to_be_hidden()
    expect(page.locator("#change-says")).to_contain_text("“red” and “square”")


def test_without_grow_labels_are_listed_and_cannot_be_changed(page):
    page.get_by_role("button", name="Labels", exact=True).click()
    expect(page.locator(".labels-list li")).to_have_text(
        ["blue", "circle", "dark", "red", "square"]
    )
    expect(page.locator("#labels input[type=checkbox]")).to_have_count(0)
    expect(page.locator("#change")).to_be_hidden()


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_dialog(open_page, grown, scheme):
    page = open_page(grown[0], color_scheme=scheme, viewport={"width": 400, "height": 800})
    choose(page, "red", "blue")
    assert faults(page) == []
    page.get_by_label("Their common name").fill("dark")
    page.get_by_role("button", name="Merge").click()
    expect(page.locator("#change-problem")).to_be_visible(timeout=60_000)
    assert faults(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
