"""A browser on a served tagger; `make test-browser` runs these with $IMLGCN_BROWSER_TESTS set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SWITCHES = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START = "from imlgcn.cli import main; main()"


def pytest_collection_modifyitems(items):
    """Leave these tests out of an ordinary run: a browser takes its time."""
    wanted = os.environ.get("IMLGCN_BROWSER_TESTS")
    skip = pytest.mark.skip(reason="in a browser; run with make test-browser")
    for item in items:
        if Path(item.path).parent == HERE and not wanted:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")
    if not CHROMIUM:
        pytest.fail("no Chromium: install Debian's `chromium`, or set CHROMIUM to its path")
    root = [] if sys.platform == "win32" or os.geteuid() else ["--no-sandbox"]
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, *root])
        yield started
        started.close()


def serve(path: Path, *options: str) -> tuple[subprocess.Popen, str]:
    """Start a server on a free port; return its process and address."""
    command = [sys.executable, "-c", START, "serve", str(path), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    before = ""
    for line in process.stderr:  # what is done before comes first
        if found := re.search(r"http://\S+:\d+", line):
            return process, found[0]
        before += line
    process.kill()
    pytest.fail(before)


@pytest.fixture(scope="session")
def address(tagger):
    """Where the trained tagger of the other tests is served."""
    process, where = serve(tagger.path, "--engine", "torch")
    yield where
    process.terminate()
    assert process.wait(timeout=30) == 0


@pytest.fixture
def open_page(browser, address):
    """Return a function that opens the page; what the browser complains of fails the test."""
    contexts = []
    complaints: list[str] = []

    def start(where: str = address, **options):
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.set_default_timeout(30_000)
        page.goto(where)
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield start
    for context in contexts:
        context.close()
    expected = ("status of 4", "net::ERR_FAILED")  # a refused image, a connection that a test cuts
    assert [text for text in complaints if not any(part in text for part in expected)] == []


@pytest.fixture
def page(open_page):
    return open_page()


@pytest.fixture(scope="session")
def pictures(shapes):
    """The drawn images of the data set, as paths."""
    return sorted(str(path) for path in shapes.parent.glob("*.png"))


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """Two hundred small different images."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(200):
        colour = (number, 255 - number, number * 7 % 256)
        Image.new("RGB", (96, 72), colour).save(folder / f"{number:03}.jpg")
    return sorted(str(path) for path in folder.iterdir())
