"""The report in a browser: nothing is wider than the window, narrow or wide."""

from __future__ import annotations

import pytest

from imlgcn.report import write_report

SIZES = [(400, 900), (1280, 900)]


@pytest.fixture(scope="module")
def report(train_tiny, tmp_path_factory):
    """The report of a tagger whose head was chosen, so that it has every section."""
    return write_report(train_tiny(tmp_path_factory.mktemp("report") / "run", head="auto"))


@pytest.mark.parametrize("size", SIZES, ids=["narrow", "wide"])
def test_only_what_scrolls_by_itself_is_wider_than_the_window(browser, report, size):
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(report.as_uri())
    assert page.locator("#tried .scroll table").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outside = page.locator("#heatmap svg text").evaluate_all(
        "(texts) => texts.filter((text) => {"
        "  const [own, all] = [text, text.closest('svg')].map((x) => x.getBoundingClientRect());"
        "  return own.left < all.left - 2 || own.right > all.right + 2;"
        "}).map((text) => text.textContent)"
    )
    assert outside == []
    page.close()
