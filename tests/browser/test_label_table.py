"""The page of a tagger with a label table: names, parents and hidden labels, as people see them.

The tagger's own, one the server was started with, and one that is chosen on the page.
"""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.tagger import Tagger

from .conftest import serve
from .test_access import AXE, faults
from .test_page import add, tags

RULES = """label,show,name,parents,threshold
red,,rot,dark,0
dark,,dunkel,,1
square,no,,,0
"""


@pytest.fixture(scope="module")
def ruled(tagger, tmp_path_factory):
    """Where the tagger is served with the rules."""
    table = tmp_path_factory.mktemp("rules") / "rules.csv"
    table.write_text(RULES)
    process, where = serve(tagger.path, "--engine", "torch", "--label-table", str(table))
    yield where
    process.terminate()
    assert process.wait(timeout=30) == 0


def test_the_page_shows_names_parents_and_no_hidden_label(open_page, ruled, pictures):
    page = open_page(ruled)
    add(page, pictures[0])
    assert tags(page) >= {"rot", "dunkel"}
    assert not {"red", "dark", "square"} & tags(page)
    bars = page.locator("#bars .label-name")
    assert "rot" in bars.all_inner_texts()
    expect(page.locator("#bars .label", has_text="square")).to_have_count(0)
    title = page.locator("#bars .label", has_text="rot").get_attribute("title")
    assert title.startswith("Label “red”. Always with “dunkel”.")
    page.locator("#more").click()
    expect(page.locator("#bars .label", has_text="square")).to_contain_text("hidden")
    page.get_by_role("button", name="no, dunkel").click()
    assert not {"rot", "dunkel"} & tags(page), "what is below a no is not given"
    with page.expect_download() as caught:
        page.get_by_role("link", name="Label table as CSV").click()
    text = caught.value.path().read_text()
    assert "red,yes,rot,dark,0.0," in text


WRONG = """label,parents,threshold
rde,,
red,drak,
dark,,7
"""


def choose(page, folder, text, name="my table.csv"):
    """Choose a label table in the dialog of labels."""
    (folder / name).write_text(text, encoding="utf-8")
    if page.locator("#labels").is_hidden():
        page.get_by_role("button", name="Labels", exact=True).click()
    page.set_input_files("#table-file", folder / name)


def shown(page):
    """Return what the page shows of its first image: the tags, then bars and their numbers."""
    rows = page.locator("#bars .label").all()
    return tags(page), [row.get_attribute("aria-label") for row in rows]


def test_another_table_shows_at_once_what_a_server_started_with_it_shows(
    open_page, address, ruled, pictures, tmp_path
):
    page, other = open_page(address), open_page(ruled)
    for each in (page, other):
        add(each, pictures[0])
    before = shown(page)
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/v1/tags" in request.url else 0)
    choose(page, tmp_path, RULES)
    says = page.locator("#table-says")
    expect(says).to_have_text("That of my table.csv, on this page only: the tagger stays as it is.")
    expect(page.locator("#table-keep")).to_be_hidden()
    expect(page.locator(".labels-list li").filter(has_text="rot red")).to_have_count(1)
    expect(page.locator(".labels-list li").filter(has_text="square hidden")).to_have_count(1)
    page.keyboard.press("Escape")
    assert shown(page) == shown(other) != before
    assert sent == []
    more = page.locator(".card").count()
    add(page, pictures[1])
    add(other, pictures[1])
    page.locator(".card").nth(more).click()
    other.locator(".card").nth(more).click()
    assert shown(page) == shown(other)
    page.locator(".card").first.click()

    page.get_by_role("button", name="Labels", exact=True).click()
    page.get_by_role("button", name="The tagger’s own again").click()
    expect(says).to_contain_text("The tagger’s own")
    expect(page.get_by_role("button", name="Choose another…")).to_be_focused()
    page.keyboard.press("Escape")
    assert shown(page) == before


def test_wrong_rows_are_said_with_their_lines_and_change_nothing(page, pictures, tmp_path):
    add(page, pictures[0])
    before = shown(page)
    choose(page, tmp_path, WRONG)
    problem = page.locator("#table-problem")
    expect(problem.locator("li")).to_have_count(3)
    expect(problem).to_contain_text("line 2: unknown label 'rde'; did you mean 'red'?")
    expect(problem).to_contain_text("line 3: the parent 'drak' of 'red'")
    expect(problem).to_contain_text("line 4: the threshold of 'dark' must be from 0 to 1")
    assert shown(page) == before
    choose(page, tmp_path, RULES)
    expect(problem).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_is_written_into_the_tagger_when_asked_and_undo_takes_it_back(
    open_page, own_kernel, pictures, tmp_path, scheme
):
    process, where = serve(own_kernel, "--engine", "torch", "--grow")
    try:
        page = open_page(where, color_scheme=scheme, viewport={"width": 400, "height": 900})
        add(page, pictures[0])
        choose(page, tmp_path, RULES)
        expect(page.locator("#table-says")).to_contain_text("on this page only")
        if AXE.is_file():
            assert faults(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert Tagger.load(own_kernel).label_table.is_default
        page.get_by_role("button", name="Write it into the tagger").click()
        expect(page.locator("#grown-says")).to_have_text(
            "The tagger has the label table of my table.csv.", timeout=60_000
        )
        assert Tagger.load(own_kernel).label_table.name_of("red") == "rot"
        undo = page.get_by_role("button", name="Undo: use another label table")
        expect(undo).to_be_focused()
        undo.click()
        expect(page.locator("#grown-says")).to_contain_text("Taken back", timeout=60_000)
        assert Tagger.load(own_kernel).label_table.is_default
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
