"""The page of an audit: keys answer, answers survive a reload and come back as a CSV.

As a file, and one click away from a served tagger.
"""

from __future__ import annotations

import csv
import re
import shutil

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.auditing import correct, write_page
from imlgcn.auditing.doubts import Doubts
from imlgcn.auditing.findings import make_audit
from imlgcn.data.dataset import load_dataset

from .conftest import serve
from .test_access import AXE, faults


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
    expect(page.locator("#asked")).to_contain_text("1.")
    page.keyboard.press("n")
    page.reload()
    expect(page.locator("#asked")).to_contain_text("2.")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#no")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("n")
    expect(page.locator("#no")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#progress")).to_have_text("0 of 5 answered")


@pytest.fixture
def reviewed(own_kernel, shapes, tmp_path):
    """Where a tagger is served with an audit of its own data; the table of these."""
    table = shutil.copytree(shapes.parent, tmp_path / "data") / shapes.name
    config = own_kernel / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub("(?m)^data: .*$", f"data: {table}", text), encoding="utf-8")
    process, where = serve(own_kernel, "--engine", "torch", "--audit", str(own_kernel))
    yield where, table
    process.terminate()
    assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_served_tagger_has_it_one_click_away_and_saves_corrected_data(
    open_page, reviewed, scheme
):
    where, table = reviewed
    opened = open_page(where, color_scheme=scheme)
    opened.get_by_role("link", name="Doubtful labels").click()
    asked = opened.locator("#asked")
    expect(asked).to_contain_text("1. Does this image show")
    label = asked.inner_text().split("“")[1].split("”")[0]
    image = opened.locator("#picture").get_attribute("alt")
    before = load_dataset(table)
    column = before.names.index(label)
    row = [record.name for record in before.records].index(image)
    opened.keyboard.press("n" if before.targets[row, column] else "y")
    opened.get_by_role("button", name="Save corrected data").click()
    name = f"{table.stem}-corrected.csv"
    expect(opened.locator("#sent")).to_have_text(
        f"1 label changed; saved as {name}, beside the data."
    )
    after = load_dataset(table.with_name(name))
    assert after.targets[row, column] == 1 - before.targets[row, column]
    if AXE.is_file():
        assert faults(opened) == []
    opened.get_by_role("link", name="Tag images").click()
    expect(opened.locator("#drop")).to_be_visible()
    opened.wait_for_load_state("networkidle")  # before its server ends


def test_without_an_audit_there_is_no_link(open_page):
    expect(open_page().get_by_role("link", name="Doubtful labels")).to_have_count(0)
