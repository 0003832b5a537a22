"""The page of a tagger with a label table: names, parents and hidden labels, as people see them."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from .conftest import serve
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
