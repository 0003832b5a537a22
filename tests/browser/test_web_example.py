"""examples/web in a real browser: the tags of the tagger, and nothing asked of another host."""

from __future__ import annotations

import http.server
import shutil
import threading
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("onnxscript")

WEB = Path(__file__).parents[2] / "examples" / "web"
READY = 60_000  # milliseconds


@pytest.fixture
def address(tagger, tmp_path):
    """The page with an exported tagger beside it, served to this machine."""
    from imlgcn.exporting import export

    if not (WEB / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("npm install has not been run in examples/web")
    folder = Path(shutil.copytree(WEB, tmp_path / "web", ignore=lambda *_: ["node_modules"]))
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    export(tagger, "onnx", folder / "model.onnx")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_page_tags_an_image_as_the_tagger_does_and_asks_no_other_host(
    browser, address, tagger, shapes
):
    def margin(path) -> float:
        return max((tag.probability - tag.threshold for tag in tagger(path)), default=0.0)

    photo = max(sorted(shapes.parent.glob("*.png")), key=margin)
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#image:enabled", timeout=READY)
    page.set_input_files("#image", str(photo))
    page.wait_for_selector("#tags li", timeout=READY)
    labels = {line.strip() for line in page.inner_text("#tags").splitlines()}
    page.close()
    # near a threshold the browser may differ: it shrinks images with another filter
    sure = {tag.label for tag in tagger(photo) if tag.probability - tag.threshold > 0.03}
    assert sure
    assert sure <= labels
    assert all(url.startswith(address) for url in asked)
