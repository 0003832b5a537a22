"""The documentation builds without a warning, asks nothing of the network, and says what is so."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from imlgcn.models.heads import HEADS, head_options
from page_blocks import ROOT

pytest.importorskip("zensical")
pytest.importorskip("latex2mathml")
GENERATOR = ROOT / "docs" / "generator"
pytestmark = pytest.mark.skipif(not GENERATOR.is_dir(), reason="the pages are not here")
of_the_site = pytest.mark.thorough  # half a minute to build


@pytest.fixture(scope="module")
def generator():
    """The modules that build the site; they lie beside the pages."""
    sys.path.insert(0, str(GENERATOR))
    import build
    import docstrings
    import heads
    import maths
    import stage

    yield {
        "build": build,
        "docstrings": docstrings,
        "heads": heads,
        "maths": maths,
        "stage": stage,
    }
    sys.path.remove(str(GENERATOR))


@pytest.fixture(scope="module")
def site(generator, once):
    """The built site."""

    def make(folder):
        assert generator["build"].build(folder / "site") == 0

    return once("docs", make) / "site"


class Asked(HTMLParser):
    """What a browser fetches for a page, and the text a reader sees outside of code."""

    SHOWN = ("script", "img", "iframe", "source", "video")
    SILENT = ("code", "pre", "script", "style", "math")

    def __init__(self, page: Path):
        super().__init__()
        self.fetched, self.text, self.inside, self.tags = [], [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        if tag in self.SHOWN:
            self.fetched.append(values.get("src") or "")
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(values["href"])
        if tag in self.SILENT:
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.text.append(data)


@of_the_site
def test_no_page_fetches_anything_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        outside = [url for url in Asked(page).fetched if re.match(r"(\w+:)?//", url)]
        assert not outside, page
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", text), sheet


@of_the_site
def test_formulas_are_mathml_and_no_markup_of_the_sources_is_left(site):
    for page in site.rglob("*.html"):
        text = "".join(Asked(page).text)
        for left in ("$$", ":math:", ":class:", "::: ", ".. math", "from the code:", "``"):
            assert left not in text, (page.name, left)
    for name in HEADS:
        assert "math" in Asked(site / "heads" / f"{name}.html").tags


@of_the_site
@pytest.mark.parametrize("name", HEADS)
def test_every_head_has_a_page_with_all_its_options(name, site):
    page = (site / "heads" / f"{name}.html").read_text(encoding="utf-8")
    for option in head_options(name):
        assert f"<td><code>{option}</code></td>" in page
    for heading in ("When to use it", "Paper", "Formula", "Maps", "Options", "Parameters"):
        assert re.search(rf"<h2[^>]*>{heading}<", page)


def test_a_head_without_a_row_in_the_comparison_is_not_measured_yet(generator):
    heads = generator["heads"]
    assert " mAP (protocol `default`) on the embedded" in heads.measured("linear")
    assert heads.measured("not compared").startswith("Not measured yet")


def test_every_page_of_the_documentation_is_in_the_navigation(generator):
    def places(entry):
        if isinstance(entry, str):
            return [entry]
        found = entry.values() if isinstance(entry, dict) else entry
        return [place for value in found for place in places(value)]

    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    stage = generator["stage"]
    assert set(places(settings["nav"])) == {
        p.as_posix() for p in map(stage.site_path, stage.sources())
    }


@pytest.mark.parametrize("readme", [True, False])
def test_every_link_between_files_leads_somewhere(readme, generator):
    stage = generator["stage"]
    for page in [ROOT / "README.md"] if readme else {*stage.sources()}:
        text = "".join(stage.FENCE.split(page.read_text(encoding="utf-8"))[::2])
        for _, title, target in stage.LINK.findall(text):
            if ":" not in target and not target.startswith("#"):
                assert (page.parent / target.split("#")[0]).exists(), f"{page}: {title}"


def test_a_link_to_a_page_that_is_not_there_stops_the_build(generator, tmp_path, monkeypatch):
    stage, page = generator["stage"], tmp_path / "pages" / "index.md"
    page.parent.mkdir()
    page.write_text("# Page\n\n[gone](gone.md)\n")
    monkeypatch.setattr(stage, "sources", lambda: [page])
    monkeypatch.setattr(stage, "assets", lambda: [])
    monkeypatch.setattr(stage, "DOCS", page.parent)
    monkeypatch.setattr(stage, "LINK", re.compile("never matches this"))
    monkeypatch.setattr(
        generator["build"], "settings", lambda: {"site_name": "x", "theme": {"font": False}}
    )
    assert generator["build"].build(tmp_path / "site") != 0
    page.write_text("# Page\n")
    assert generator["build"].build(tmp_path / "site") == 0


def test_a_price_is_no_formula_and_a_formula_in_code_stays_code(generator):
    import markdown

    html = markdown.markdown(
        "From $5 to $6, `$x$`, $x_1$.\n\n$$ a &= b \\\\\n c &= d $$\n", extensions=["maths"]
    )
    assert "From $5 to $6, <code>$x$</code>, <math" in html
    assert html.count("<math") == 2
    assert html.count("<mtr>") == 2


def test_docstrings_become_markdown(generator):
    text = generator["docstrings"].to_markdown(
        "Sum.\n\n.. math::\n    y = x \\\\\n    z = 1\n\n"
        "See :func:`a.b.c` and ``d``; :math:`\\frac\n1 2`.\n\n"
        "Shape:\n    - x ``(B, L)``\n\n>>> f(1)\n2\n"
    )
    assert text.splitlines() == [
        *("Sum.", "", "$$", "y = x \\\\ z = 1", "$$", ""),
        *("See `c` and `d`; $\\frac 1 2$.", "", "**Shapes**", "", "- x `(B, L)`", ""),
        *("```pycon", ">>> f(1)", "2", "```"),
    ]
