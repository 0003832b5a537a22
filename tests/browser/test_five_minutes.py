"""The walk of docs/five-minutes.md on the page, from an empty folder to a tagger that has grown."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.tagger import Tagger

from .conftest import serve
from .test_known import PROBABILITIES, READY, until
from .test_page import drop


def as_dropped(paths):
    """Return files as `drop` takes them."""
    return [
        (path.name, "image/png", base64.b64encode(path.read_bytes()).decode()) for path in paths
    ]


def test_from_an_empty_folder_to_a_growing_tagger(
    open_page, tmp_path, train_tiny, crosses, pictures
):
    assert list(tmp_path.iterdir()) == []
    folder = train_tiny(tmp_path / "run", head="kernel").path
    trained = Tagger.load(folder).labels
    process, where = serve(folder, "--engine", "torch", "--grow")
    try:
        page = open_page(where)
        images = [*crosses, *map(Path, pictures[:3])]
        drop(page, "#drop", as_dropped(images))
        expect(page.locator(".card.done")).to_have_count(len(images), timeout=60_000)

        for cross in crosses[:3]:
            page.get_by_label(f"Select {cross.name}").check()
        page.get_by_label("New label").fill("cross")
        page.get_by_role("button", name="Add", exact=True).click()
        says = page.locator("#grown-says")
        expect(says).to_contain_text("New label “cross”: learnt from 3 images", timeout=120_000)
        unseen = page.locator(".card", has_text=crosses[5].name)
        expect(unseen.locator(".tags")).to_contain_text("cross")
        assert Tagger.load(folder).labels == (*trained, "cross")

        page.locator(".card", has_text=Path(pictures[0]).name).click()
        until(page, READY)
        free = page.evaluate(PROBABILITIES)
        page.get_by_role("button", name="yes, red", exact=True).click()
        told = page.evaluate(PROBABILITIES)
        moved = [name for name, a, b in zip([*trained, "cross"], free, told, strict=True) if a != b]
        assert {"blue", "circle", "square"} & set(moved)

        page.get_by_role("button", name="Undo: add cross").click()
        expect(says).to_have_text("Taken back: add cross.", timeout=60_000)
        expect(unseen.locator(".tags")).not_to_contain_text("cross")
        assert Tagger.load(folder).labels == trained
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
