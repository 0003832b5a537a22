"""The map of the code is true: its drawing is that of today's imports, and its paths exist."""

from __future__ import annotations

import re
import sys

import pytest

from page_blocks import ROOT

PAGE = ROOT / "docs" / "architecture.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the pages are not here")


@pytest.fixture
def layers(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "generator"))
    import layers

    yield layers
    sys.modules.pop("layers")


def test_the_drawing_is_that_of_the_imports(layers):
    drawn = layers.DRAWING.read_text(encoding="utf-8")
    assert layers.draw() == drawn, "run `python docs/generator/layers.py`"


def test_every_file_that_the_map_or_the_table_of_places_names_exists():
    text = PAGE.read_text(encoding="utf-8") + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py)?)`", text))
    assert len(named) > 25
    roots = (ROOT, ROOT / "src" / "imlgcn")
    missing = [name for name in named if not any((root / name).exists() for root in roots)]
    assert missing in ([], ["runs/"])
