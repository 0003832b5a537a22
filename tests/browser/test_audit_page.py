"""The page of an audit: keys answer, answers survive a reload and come back as a CSV."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.auditing import correct, write_page
from imlgcn.auditing.doubts import Doubts
from imlgcn.auditing.findings import make_audit
from imlgcn.data.dataset import load_dataset


@pytest.fixture
def page(browser, shapes, tmp_path):
    """The page of five findings, opened as a file; what the browser complains of fails the test."""
    data = load_dataset(shapes)
    error = np.zeros(data.targets.shape)
    error[[3, 5, 7, 9, 11], 2] = 0.9, 0.8, 0.7, 0.6, 0.5
    doubts = Doubts(np.full(error.shape, 0.5), error)
    found = make_audit(data, doubts, [], np.arange(len(data)), np.eye(len(data)))
    write_page(found, tmp_path / "audit.html", "shapes")
    complaints = []
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    opened.goto((tmp_path / "audit.html").as_uri())
    yield opened
    context.close()
    assert complaints == []


def test_keys_answer_and_the_answers_correct_the_data(page, shapes, tmp_path):
    expect(page.locator("#asked")).to_contain_text("1. Does this image show “dark”?")
    assert page.evaluate("document.getElementById('picture').naturalWidth") > 0
    page.keyboard.press("y")
    expect(page.locator("#asked")).to_contain_text("2.")
    page.keyboard.press("ArrowRight")  # the second stays open
    page.keyboard.press("n")
    expect(page.locator("#progress")).to_have_text("2 of 5 answered")
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [("03.png", "dark", "yes"), ("07.png", "dark", "no")]
    correct(shapes, tmp_path / "answers.csv", tmp_path / "corrected.csv")
    found = load_dataset(tmp_path / "corrected.csv")
    dark = found.names.index("dark")
    assert found.targets[[3, 7], dark].tolist() == [1, 0]


def test_an_answer_survives_a_reload_and_is_taken_back_by_the_same_key(page):
    page.keyboard.press("n")
    page.reload()
    expect(page.locator("#asked")).to_contain_text("2.")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#no")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("n")
    expect(page.locator("#no")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#progress")).to_have_text("0 of 5 answered")
