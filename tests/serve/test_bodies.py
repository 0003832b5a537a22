"""What clients send stays in memory, and is decoded by other processes only."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from PIL import ImageFile

from imlgcn.files import content_number
from imlgcn.growing import NewLabel, add_labels
from imlgcn.tagger import Tagger

TABLE = b"label,name\nred,rot\n"


@pytest.fixture
def ask(own_kernel, serving):
    """Return a function that sends images and texts to every address that takes any."""
    client = serving(Tagger.load(own_kernel), grow=True)

    def ask(crosses) -> dict[str, int]:
        image = crosses[0].read_bytes()
        files = [("image", (path.name, path.read_bytes())) for path in crosses[:3]]
        answers = {
            path: client.post(path, content=image)
            for path in ("/v1/tags", "/v1/vectors", "/v1/support?label=red", "/v1/maps")
        }
        answers["form"] = client.post("/v1/tags", files=files)
        seen = [
            {"name": "a.png", "vector": answers["/v1/vectors"].json()["images"][0].get("vector")}
        ]
        answers["/v1/suggest"] = client.post("/v1/suggest", json={"images": seen, "budget": 1})
        answers["/v1/label-table"] = client.post("/v1/label-table", content=TABLE)
        answers["/v1/labels/add"] = client.post("/v1/labels/add?name=cross", files=files)
        return {path: answer.status_code for path, answer in answers.items()}

    return ask


def test_nothing_that_is_sent_is_written_anywhere_but_what_was_learnt(
    ask, own_kernel, crosses, written
):
    found = ask(crosses)
    assert found.pop("/v1/maps") in (200, 404)
    assert set(found.values()) == {200}, found
    elsewhere = [
        path
        for path in written
        if own_kernel not in path.parents
        and path.name != f".{own_kernel.name}.lock"
        and not str(path).startswith("/dev/")
    ]
    assert elsewhere == []


def test_no_image_is_decoded_in_the_process_that_answers(ask, crosses, monkeypatch):
    opened, whole = [], ImageFile.ImageFile.__init__

    def noted(self, *given, **more):
        opened.append(self)
        return whole(self, *given, **more)

    monkeypatch.setattr(ImageFile.ImageFile, "__init__", noted)
    found = ask(crosses)
    assert opened == []
    assert found.pop("/v1/maps") in (200, 404)
    assert set(found.values()) == {200}, found


def test_a_label_is_learnt_from_uploads_as_from_files(
    ask, own_kernel, kernel_tagger, crosses, tmp_path
):

    ask(crosses)
    folder = shutil.copytree(kernel_tagger.path, tmp_path / "by files")
    add_labels(folder, [NewLabel("cross", tuple(crosses[:3]))])
    ours, theirs = (Tagger.load(path) for path in (own_kernel, folder))
    for path in crosses:
        pixels = ours.load_input(path)[None]
        difference = abs(ours.probabilities(pixels) - theirs.probabilities(pixels))
        assert difference.max() < 1e-5
    hashes = [content_number(hashlib.sha256(path.read_bytes()).digest()) for path in crosses]
    assert ours.folder.learnt().include(hashes).tolist() == [True] * 3 + [False] * 3


def test_a_text_that_is_no_table_is_named_without_a_path(serving, quick):
    answer = serving(quick).post("/v1/label-table", content=b"nothing\n1\n")
    assert answer.json()["error"]["message"].startswith("the label table: ")
