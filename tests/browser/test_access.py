"""axe-core finds no serious fault: empty, with images, with an error, dark, on a phone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from .test_page import add

AXE = Path(os.environ.get("AXE", "node_modules/axe-core/axe.min.js"))


def faults(page) -> list[str]:
    """Return the serious faults, each with the element it is at."""
    # evaluated by the driver, outside of the page's content policy
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("() => axe.run()")
    return [
        f"{fault['id']}: {node['html'][:140]} {node['failureSummary']}"
        for fault in result["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core; make test-browser fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious(open_page, pictures, tmp_path, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    assert faults(page) == []
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    add(page, [*pictures[:3], str(bad)])
    page.locator(".answer.yes").first.click()
    page.locator(".answer.no").nth(1).click()
    page.wait_for_timeout(400)
    assert faults(page) == []
    page.locator(".card.failed").click()
    assert faults(page) == []
    page.goto(f"{page.url.rstrip('/')}/docs")
    page.wait_for_selector("#operations section")
    assert faults(page) == []
