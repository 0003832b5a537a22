"""Labels added, changed and taken back over HTTP: only where the server was started for it."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from imlgcn.errors import InputError
from imlgcn.growing import changes
from imlgcn.serve import create_app, grow
from imlgcn.serve.settings import ServeSettings
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import MODEL

from .conftest import assert_refused, picture


@pytest.fixture
def growing(own_kernel, serving):
    """A client of a server that may change its tagger."""
    return serving(Tagger.load(own_kernel), grow=True)


def form(crosses, other=()):
    """Return the files of a form: some that show a cross, others that do not."""
    shown = [("image", (path.name, path.read_bytes())) for path in crosses]
    return shown + [("not", (path.name, path.read_bytes())) for path in other]


def add(client, name, files):
    return client.post("/v1/labels/add", params={"name": name}, files=files)


def labels(client) -> list[str]:
    return [item["label"] for item in client.get("/v1/labels").json()["labels"]]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_a_label_is_added_served_and_taken_back(
    growing, own_kernel, crosses, pictures_of, temporary
):
    before = (own_kernel / MODEL).read_bytes()
    model = growing.get("/v1/model").json()
    assert model["can"]["grow"] is True
    assert model["last_change"] is None
    answer = add(growing, "cross", form(crosses[:4], pictures_of[:3]))
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert (content["label"], content["images"], content["labels"]) == ("cross", 4, 6)
    assert content["expectation"].startswith("learnt from 4 images; ")
    assert labels(growing)[-1] == "cross"
    assert growing.get("/v1/model").json()["last_change"] == "add cross"
    tagged = growing.post("/v1/tags?all=1", content=crosses[0].read_bytes()).json()["images"][0]
    other = growing.post("/v1/tags?all=1", content=pictures_of[0].read_bytes()).json()["images"][0]
    assert tagged["probabilities"][-1] > other["probabilities"][-1]

    support = Tagger.load(own_kernel).folder.support()
    assert support.images[-7:] == tuple(p.name for p in [*crosses[:4], *pictures_of[:3]])
    assert support.targets[-7:, -1].tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert list(temporary.iterdir()) == [], "the uploaded images are deleted"

    undone = growing.post("/v1/labels/undo").json()
    assert (undone["taken_back"], undone["labels"]) == ("add cross", 5)
    assert (own_kernel / MODEL).read_bytes() == before
    assert "cross" not in labels(growing)
    assert_refused(growing.post("/v1/labels/undo"), 409, "nothing_to_undo", "no change")


@pytest.fixture
def pictures_of(shapes):
    return sorted(shapes.parent.glob("0*.png"))


def test_a_server_that_was_not_started_for_it_changes_nothing(own_kernel, serving, crosses):
    client = serving(Tagger.load(own_kernel))
    before = (own_kernel / MODEL).read_bytes()
    assert client.get("/v1/model").json()["can"]["grow"] is False
    assert_refused(add(client, "cross", form(crosses)), 403, "not_growing", "--grow")
    assert_refused(client.post("/v1/labels/undo"), 403, "not_growing")
    assert (own_kernel / MODEL).read_bytes() == before


def test_an_exported_file_is_never_served_so(onnx_file, cli):
    with pytest.raises(InputError, match="exported file"):
        create_app(Tagger.load(onnx_file), ServeSettings(grow=True))
    cli("serve", onnx_file, "--grow", "--port", "0").assert_refused("--grow", "exported file")


@pytest.mark.parametrize(
    ("name", "content", "status", "code", "words"),
    [
        ("", None, 422, "not_added", ()),
        ("red", None, 422, "not_added", ("trained with the label 'red'",)),
        ("cross", b"no image", 415, "not_an_image", ("cross 0.png",)),
        ("cross", picture()[:200], 422, "damaged_image", ("cross 0.png",)),
    ],
)
def test_a_mistake_is_said_and_changes_nothing(
    growing, own_kernel, crosses, temporary, name, content, status, code, words
):
    before = (own_kernel / MODEL).read_bytes()
    first = ("image", (crosses[0].name, content or crosses[0].read_bytes()))
    answer = add(growing, name, [first, *form(crosses[1:3])])
    assert_refused(answer, status, code, *words)
    assert str(own_kernel) not in answer.text
    assert str(temporary) not in answer.text
    assert list(temporary.iterdir()) == []
    assert (own_kernel / MODEL).read_bytes() == before
    assert changes(own_kernel) == []


def test_an_image_that_does_not_show_it_is_not_enough(growing, crosses):
    answer = add(growing, "cross", form([], crosses[:2]))
    assert_refused(answer, 422, "not_added", "no image shows")
    assert_refused(growing.post("/v1/labels/add?name=cross"), 422, "no_image")
    assert_refused(growing.post("/v1/labels/add", content=picture()), 422, "bad_parameter", "name")


def test_the_limits_are_those_of_tags(own_kernel, serving, crosses):
    client = serving(Tagger.load(own_kernel), grow=True, max_files=3)
    answer = add(client, "cross", form(crosses[:4]))
    assert_refused(answer, 422, "too_many_images", "at most 3")
    assert "cross" not in labels(client)


def test_one_change_at_a_time_and_tags_meanwhile(growing, crosses, monkeypatch):
    began, gate, whole = threading.Event(), threading.Event(), grow.add

    def slow(*given):
        began.set()
        gate.wait(30)
        return whole(*given)

    monkeypatch.setattr(grow, "add", slow)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(add, growing, "cross", form(crosses[:3]))
        assert began.wait(30)
        busy = growing.post("/v1/labels/undo")
        assert_refused(busy, 503, "busy", "try again")
        assert busy.headers["retry-after"] == "1"
        assert growing.post("/v1/tags", content=picture()).status_code == 200
        gate.set()
        assert waiting.result().status_code == 200
    assert labels(growing)[-1] == "cross"


def test_a_folder_that_cannot_be_written_is_one_sentence(growing, crosses, monkeypatch):
    import imlgcn.growing

    def full(*given, **more):
        raise OSError(28, "No space left on device", "/srv/secret")

    monkeypatch.setattr(imlgcn.growing, "add_labels", full)
    answer = add(growing, "cross", form(crosses[:3]))
    assert_refused(answer, 500, "not_written", "No space left on device")
    assert "secret" not in answer.text


def change(client, what, **params):
    return client.post(f"/v1/labels/{what}", params=params)


def probabilities(client, image) -> dict[str, float]:
    answer = client.post("/v1/tags?all=1", content=image.read_bytes()).json()["images"][0]
    return dict(zip(labels(client), answer["probabilities"], strict=True))


def test_labels_are_removed_renamed_and_merged_as_by_the_command_and_each_is_taken_back(
    growing, own_kernel, crosses
):
    before, old = (own_kernel / MODEL).read_bytes(), probabilities(growing, crosses[0])
    assert list(old) == ["blue", "circle", "dark", "red", "square"]

    renamed = change(growing, "rename", label="red", name="crimson").json()
    assert (renamed["done"], renamed["labels"]) == ("rename red to crimson", 5)
    now = probabilities(growing, crosses[0])
    assert now == {("crimson" if label == "red" else label): p for label, p in old.items()}

    merged = change(growing, "merge", label=["crimson", "blue"], into="coloured").json()
    assert (merged["done"], merged["labels"]) == ("merge crimson, blue into coloured", 4)
    now = probabilities(growing, crosses[0])
    assert list(now) == ["coloured", "circle", "dark", "square"]
    assert {label: now[label] for label in list(now)[1:]} == {
        label: old[label] for label in list(now)[1:]
    }

    removed = change(growing, "remove", label=["circle", "square"]).json()
    assert (removed["done"], removed["labels"]) == ("remove circle, square", 2)
    assert labels(growing) == ["coloured", "dark"] == list(Tagger.load(own_kernel).labels)
    assert growing.get("/v1/model").json()["last_change"] == "remove circle, square"

    undone = [growing.post("/v1/labels/undo").json()["taken_back"] for _ in range(3)]
    assert undone == [removed["done"], merged["done"], renamed["done"]]
    assert (own_kernel / MODEL).read_bytes() == before
    assert probabilities(growing, crosses[0]) == old


@pytest.mark.parametrize(
    ("what", "params", "words"),
    [
        ("remove", {"label": "rde"}, ("unknown label", "red")),
        ("remove", {"label": ["red", "blue", "dark", "circle", "square"]}, ("at least one",)),
        ("rename", {"label": "red", "name": "blue"}, ("already",)),
        ("rename", {"label": "red", "name": " "}, ("one line of text",)),
        ("merge", {"label": ["red", "red"], "into": "x"}, ("two labels or more",)),
        ("merge", {"label": ["red", "dark"], "into": "blue"}, ("another label",)),
    ],
)
def test_a_change_that_cannot_be_made_is_said_and_changes_nothing(
    growing, own_kernel, what, params, words
):
    before = (own_kernel / MODEL).read_bytes()
    answer = change(growing, what, **params)
    assert_refused(answer, 422, "not_changed", *words)
    assert str(own_kernel) not in answer.text
    assert (own_kernel / MODEL).read_bytes() == before
    assert changes(own_kernel) == []


@pytest.mark.parametrize(
    ("what", "params"),
    [
        ("remove", {"label": "red"}),
        ("rename", {"label": "red", "name": "crimson"}),
        ("merge", {"label": ["red", "dark"], "into": "red"}),
    ],
)
def test_nobody_changes_labels_of_a_server_that_was_not_started_for_it(
    own_kernel, serving, what, params
):
    client = serving(Tagger.load(own_kernel))
    before = (own_kernel / MODEL).read_bytes()
    assert_refused(change(client, what, **params), 403, "not_growing", "--grow")
    foreign = {"origin": "http://elsewhere.example"}
    path = f"/v1/labels/{what}"
    assert_refused(client.post(path, params=params, headers=foreign), 403, "foreign_origin")
    assert_refused(client.post(path), 422, "bad_parameter", "label")
    assert (own_kernel / MODEL).read_bytes() == before


def test_a_change_that_could_not_be_served_is_taken_back(own_kernel, serving, tmp_path):
    """A server's own label table may name a label that is to go."""
    table = tmp_path / "names.csv"
    table.write_text("label,name\nred,rot\n", encoding="utf-8")

    def load() -> Tagger:
        return Tagger.load(own_kernel, label_table=table)

    client = serving(load(), reopen=load, grow=True)
    answer = change(client, "rename", label="red", name="crimson")
    assert_refused(answer, 409, "not_reloaded", "unknown label 'red'")
    assert changes(own_kernel) == []
    assert labels(client) == list(Tagger.load(own_kernel).labels)
    assert "red" in labels(client)
