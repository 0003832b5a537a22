"""The server as Label Studio's backend: what its client asks, gets and teaches."""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imlgcn.errors import InputError
from imlgcn.growing.annotated import ENOUGH
from imlgcn.serve import ServeSettings, create_app
from imlgcn.serve.errors import ApiError
from imlgcn.serve.label_studio import images as images_module
from imlgcn.serve.label_studio import learner
from imlgcn.serve.label_studio.journal import Journal
from imlgcn.serve.label_studio.labeling import read_labeling
from imlgcn.serve.label_studio.options import studio_options
from imlgcn.serve.label_studio.studio import FETCHED
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import JOURNAL, MODEL

from .conftest import assert_refused, picture
from .studio_stub import (
    LEGACY,
    PERSONAL,
    StudioClient,
    config,
    local,
    region,
    studio_stub,
    task,
    ticked,
)

LABELS = ("blue", "circle", "dark", "red", "square")


@pytest.fixture(scope="module")
def _stub():
    with studio_stub() as stub:
        yield stub


@pytest.fixture
def stub(_stub):
    """A Label Studio that has nothing yet."""
    _stub.files, _stub.redirects, _stub.asked, _stub.needs_token = {}, {}, [], True
    return _stub


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(learner, "PAUSE", 0.0)
    monkeypatch.setattr(learner, "AGAIN", 0.05)


@pytest.fixture
def photos(shapes):
    """Pictures that the tagger knows the labels of."""
    return sorted(shapes.parent.glob("0*.png"))


def options(stub, **more):
    return {"label_studio": True, "label_studio_url": stub.url, "label_studio_token": LEGACY} | more


def upload(stub, path) -> str:
    """Have the stub serve a picture; return its address in a task."""
    address = f"/data/upload/7/{path.name.replace(' ', '%20')}"
    stub.files[address] = path.read_bytes()
    return address


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# the reader itself


def test_the_reader_ticks_what_the_published_example_of_a_prediction_says():
    """https://labelstud.io/guide/predictions: an image with a choice beside rectangles."""
    label_config = (
        '<View><Choices name="choice" toName="image" showInLine="true"><Choice value="Boeing" '
        'background="blue"/><Choice value="Airbus" background="green" /></Choices>'
        '<RectangleLabels name="label" toName="image"><Label value="Airplane"/></RectangleLabels>'
        '<Image name="image" value="$image"/></View>'
    )
    prediction = {
        "model_version": "one",
        "score": 0.5,
        "result": [
            {
                "id": "result1",
                "type": "rectanglelabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": 600,
                "original_height": 403,
                "image_rotation": 0,
                "value": {"rotation": 0, "x": 4.98, "y": 12.82, "rectanglelabels": ["Airplane"]},
            },
            {
                "id": "result3",
                "type": "choices",
                "from_name": "choice",
                "to_name": "image",
                "value": {"choices": ["Airbus"]},
            },
        ],
    }
    assert ticked(label_config, prediction) == {"Airbus"}


# tags


def test_predictions_tick_the_tags_of_the_image(quick, serving, stub, photos):
    client = serving(quick, **options(stub))
    studio = StudioClient(client, config(*LABELS, "unheard of"))
    setup = studio.connect()
    assert setup.json()["unknown_choices"] == ["unheard of"]
    found = studio.predict(*(upload(stub, photo) for photo in photos[:3]))
    tags = [
        {
            tag["label"]
            for tag in client.post("/v1/tags", content=photo.read_bytes()).json()["images"][0][
                "tags"
            ]
        }
        for photo in photos[:3]
    ]
    assert found == tags
    assert any(tags)
    asked = [address for address, _ in stub.asked]
    assert asked
    assert all(address.startswith("/data/upload/7/") for address in asked)
    assert client.get("/versions").json() == {"versions": [studio.version]}


def test_a_choice_is_found_by_its_alias_its_label_or_its_name_and_nested_ones_by_their_path(
    own_tagger, serving, stub, photos, tmp_path
):
    table = tmp_path / "names.csv"
    table.write_text("label,name\nred,rot\n", encoding="utf-8")
    tagger = Tagger.load(own_tagger, label_table=table)
    tree = (
        '<Taxonomy name="kinds" toName="image"><Choice value="colours"><Choice value="rot"/>'
        '<Choice value="Blau" alias="blue"/></Choice><Choice value="dark"/></Taxonomy>'
    )
    client = serving(tagger, **options(stub))
    studio = StudioClient(client, config("circle", "square", taxonomy=[tree]))
    assert studio.connect().json()["unknown_choices"] == ["colours"]
    found = studio.predict(*(upload(stub, photo) for photo in photos))
    named = {"red": "rot"}
    for photo, labels in zip(photos, found, strict=True):
        tags = client.post("/v1/tags", content=photo.read_bytes()).json()["images"][0]["tags"]
        assert labels == {named.get(tag["label"], tag["label"]) for tag in tags}
    assert any("rot" in labels for labels in found)


def test_the_version_is_another_one_as_soon_as_tags_may_be(quick, serving, stub, tmp_path):
    one = StudioClient(serving(quick, **options(stub)), config(*LABELS))
    two = StudioClient(serving(quick.at(0.9), **options(stub)), config(*LABELS))
    assert one.connect().status_code == two.connect().status_code == 200
    assert one.version != two.version


def test_one_image_that_cannot_be_had_leaves_the_others(quick, serving, stub, photos, caplog):
    studio = StudioClient(serving(quick, **options(stub)), config(*LABELS))
    good = upload(stub, photos[0])
    answer = studio.request([task(1, good), task(2, "/data/upload/7/gone.png")])
    one, two = answer.json()["results"]
    assert ticked(studio.label_config, one)
    assert two["result"] == []
    assert two["error"]["message"] == "Label Studio answers with status 404 for the image"
    assert "1 of 2 tasks have no image" in caplog.text
    alone = studio.request([task(2, "/data/upload/7/gone.png")])
    assert_refused(alone, 422, "no_task_image", "status 404")
    stub.files["/data/upload/7/text.png"] = b"no image"
    assert_refused(studio.request([task(3, "/data/upload/7/text.png")]), 415, "not_an_image")


def test_images_come_as_data_from_a_folder_and_from_cloud_storage(
    quick, serving, stub, photos, tmp_path
):
    folder = tmp_path / "root" / "my photos"
    folder.mkdir(parents=True)
    shutil.copy(photos[0], folder / "ä 1.png")
    given = options(stub, label_studio_files=tmp_path / "root")
    studio = StudioClient(serving(quick, **given), config(*LABELS))
    coded = base64.b64encode(photos[0].read_bytes()).decode()
    cloud = base64.urlsafe_b64encode(b"s3://bucket/1.png").decode()
    stub.files[f"/tasks/3/resolve/?fileuri={cloud}"] = photos[0].read_bytes()
    stub.redirects["/data/upload/7/moved.png"] = upload(stub, photos[0])
    found = studio.predict(
        local("my photos/ä 1.png"),
        f"data:image/png;base64,{coded}",
        "s3://bucket/1.png",
        stub.url + upload(stub, photos[0]),
        "/data/upload/7/moved.png",
    )
    assert found[0]
    assert all(labels == found[0] for labels in found)


@pytest.mark.parametrize("token", [LEGACY, PERSONAL])
def test_both_kinds_of_tokens_are_taken(quick, serving, stub, photos, token):
    given = options(stub, label_studio_token=token)
    studio = StudioClient(serving(quick, **given), config(*LABELS))
    assert studio.predict(upload(stub, photos[0]), upload(stub, photos[1]))
    exchanged = [address for address, _ in stub.asked if address == "/api/token/refresh/"]
    assert len(exchanged) == (token == PERSONAL)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "asks for a token"),
        ("wrong", "does not take the token"),
        ("a.wrong.one", "does not take the access token"),
    ],
)
def test_a_token_that_is_missing_or_wrong_is_said(quick, serving, stub, photos, token, words):
    given = options(stub, label_studio_token=token)
    studio = StudioClient(serving(quick, **given), config(*LABELS))
    answer = studio.request([task(1, upload(stub, photos[0]))])
    assert_refused(answer, 422, "no_task_image", words)
    assert LEGACY not in answer.text


# what is not fetched


HOSTILE = [
    "http://169.254.169.254/latest/meta-data/",
    "http://localhost:22/",
    "https://127.0.0.1/",
    "//elsewhere.example/1.png",
    "file:///etc/passwd",
    "ftp://127.0.0.1/1.png",
    "gopher://127.0.0.1/",
    "http://user:password@127.0.0.1/1.png",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "etc/passwd",
    "\\\\server\\share\\1.png",
    "",
    None,
    7,
    ["/data/upload/7/1.png"],
]


def test_no_address_in_a_task_leads_elsewhere(quick, serving, stub, monkeypatch):
    studio = StudioClient(serving(quick, **options(stub)), config(*LABELS))
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: pytest.fail("it connects"))
    for address in HOSTILE:
        assert_refused(studio.request([task(1, address)]), 422, "no_task_image")
    assert stub.asked == []


def test_an_address_that_only_looks_like_label_studios_is_refused(quick, serving, stub):
    studio = StudioClient(serving(quick, **options(stub)), config(*LABELS))
    port = stub.url.rpartition(":")[2]
    for address in (
        f"http://127.0.0.1:{port}@elsewhere.example/1.png",
        f"http://127.0.0.1.elsewhere.example:{port}/1.png",
        f"https://127.0.0.1:{port}/1.png",
    ):
        assert_refused(studio.request([task(1, address)]), 422, "no_task_image", "other hosts")
    assert stub.asked == []


def test_a_redirect_to_another_host_is_not_followed_and_takes_no_token(quick, serving, stub):
    studio = StudioClient(serving(quick, **options(stub)), config(*LABELS))
    with studio_stub() as other:
        stub.redirects["/data/upload/7/1.png"] = f"{other.url}/1.png"
        stub.redirects["/data/upload/7/2.png"] = "file:///etc/passwd"
        stub.redirects["/data/upload/7/3.png"] = "/data/upload/7/3.png"
        for number, words in ((1, "another host"), (2, "another host"), (3, "again and again")):
            answer = studio.request([task(1, f"/data/upload/7/{number}.png")])
            assert_refused(answer, 422, "no_task_image", words)
        assert other.asked == []


def test_without_an_address_nothing_is_fetched_whatever_setup_says(quick, serving, stub, photos):
    studio = StudioClient(serving(quick, label_studio=True), config(*LABELS))
    request = {"project": "7.1", "schema": config(*LABELS), "hostname": stub.url}
    assert studio.client.post("/setup", json=request).status_code == 200
    for address in (upload(stub, photos[0]), stub.url + upload(stub, photos[0])):
        answer = studio.request([task(1, address)])
        assert_refused(answer, 422, "no_task_image", "--label-studio-url")
    assert stub.asked == []


def test_no_file_beyond_the_folder_is_read(quick, serving, stub, photos, tmp_path):
    root = tmp_path / "root"
    (root / "folder.png").mkdir(parents=True)
    secret = tmp_path / "secret.png"
    shutil.copy(photos[0], secret)
    (root / "link.png").symlink_to(secret)
    os.mkfifo(root / "pipe.png")
    given = options(stub, label_studio_files=root)
    studio = StudioClient(serving(quick, **given), config(*LABELS))
    for path in (
        *("../secret.png", "..%2Fsecret.png", "a/../../secret.png", str(secret), "link.png"),
        *("folder.png", "pipe.png", "gone.png", "", "%00", "a" * 5000, "...//secret.png"),
    ):
        answer = studio.request([task(1, local(path))])
        assert answer.status_code in (415, 422), path
        assert str(tmp_path) not in answer.text
        assert_refused(
            studio.request([task(1, stub.url + local("../secret.png"))]), 422, "no_task_image"
        )
    assert stub.asked == []


def test_an_image_that_is_too_large_or_never_ends_is_given_up(
    quick, serving, stub, photos, tmp_path, monkeypatch
):
    given = options(stub, label_studio_files=tmp_path, max_bytes=5000)
    studio = StudioClient(serving(quick, **given), config(*LABELS))
    stub.files["/data/upload/7/1.png"] = bytes(5001)
    (tmp_path / "1.png").write_bytes(bytes(5001))
    for address in ("/data/upload/7/1.png", local("1.png")):
        answer = studio.request([task(1, address)])
        assert_refused(answer, 422, "no_task_image", "more than 0.005 MB")
    monkeypatch.setattr(images_module, "SECONDS", 0.0)
    assert_refused(studio.request([task(1, "/data/upload/7/1.png")]), 422, "no_task_image")


# wrong requests


WRONG = [
    (None, "it is empty"),
    ("", "it is empty"),
    ("<View>", "it is not XML"),
    ("<View></View>", "no <Image> tag"),
    ('<View><Image name="image" value="$image"/></View>', "no <Choices> or <Taxonomy>"),
    (config("red").replace(' choice="multiple"', ""), 'write choice="multiple"'),
    (config(), "lists no <Choice>"),
    (config("red").replace("$image", "photo.jpg"), 'write value="$image"'),
    (config("red").replace('toName="image"', 'toName="text"'), "no <Choices> or <Taxonomy>"),
    (config("mountain", "lake"), "none of the choices (lake, mountain)"),
    (f'<!DOCTYPE v [<!ENTITY a "b">]>{config("red")}', "document type"),
    ("<View>" + "<Choice value='a'>" * 40, "it is not XML"),
    (config("a&#10;b"), "not a line of 1 to 200 letters"),
    ("x" * 1_000_001, "1,000,000 are taken"),
]


def test_a_configuration_that_does_not_fit_is_one_sentence(quick, serving, stub):
    client = serving(quick, **options(stub))
    for schema, words in WRONG:
        answer = client.post("/setup", json={"project": "7.1", "schema": schema})
        assert_refused(answer, 422, "bad_label_config", words)
        if "none of" not in words:
            request = {"tasks": [task(1, "/1.png")], "label_config": schema}
            assert_refused(client.post("/predict", json=request), 422, "bad_label_config", words)


def test_requests_that_are_not_label_studios_are_refused(quick, serving, stub):
    client = serving(quick, **options(stub, grow=False))
    for path in ("/setup", "/predict", "/webhook"):
        assert_refused(client.post(path, content=b"{"), 400, "bad_json")
        assert_refused(client.post(path, content=b"[]"), 422, "bad_body", "not a JSON object")
        deep = b'{"tasks":' + b"[" * 20 + b"]" * 20 + b"}"
        assert_refused(client.post(path, content=deep), 422, "bad_json", "deeper than 16")
        many = json.dumps({"tasks": [0] * 60_000}).encode()
        assert client.post(path, content=many).status_code == 413
    for tasks in (None, [], [1], [{}] * 1001, "x"):
        request = {"tasks": tasks, "label_config": config("red")}
        assert client.post("/predict", json=request).status_code == 422
    request = {"tasks": [{"id": 1, "data": {"text": "a"}}], "label_config": config("red")}
    assert_refused(client.post("/predict", json=request), 422, "no_task_image", "no 'image'")


def test_a_server_that_was_not_started_for_it_answers_none_of_it(quick, serving):
    client = serving(quick)
    for path in ("/setup", "/predict", "/webhook"):
        assert_refused(client.post(path), 404, "no_label_studio", "--label-studio")
    for path in ("/health", "/versions"):
        assert_refused(client.get(path), 404, "no_label_studio", "--label-studio")


def test_a_server_with_a_token_takes_it_as_label_studio_sends_it(quick, serving, stub, photos):
    """Basic authentication from the model's settings, a header from those of the webhook."""
    token = "a-token-of-the-server"
    client = serving(quick, **options(stub, token=token))
    bare = StudioClient(client, config(*LABELS))
    assert client.get("/health").status_code == 200, "as its monitors ask for it without"
    assert_refused(bare.connect(), 401, "no_token")
    assert_refused(bare.request([task(1, upload(stub, photos[0]))]), 401, "no_token")
    assert_refused(bare.webhook("START_TRAINING"), 401, "no_token")
    assert stub.asked == []
    header = {"Authorization": f"Bearer {token}"}
    right = StudioClient(client, config(*LABELS), auth=("label-studio", token), headers=header)
    assert right.connect().status_code == 200
    assert right.predict(upload(stub, photos[0]))
    assert right.webhook("START_TRAINING").status_code == 200


# what is taught


@pytest.fixture
def teaching(own_kernel, serving, stub):
    """Return a function that starts a server that learns from the stub, and its client."""

    def start(*choices, folder=own_kernel) -> StudioClient:
        client = serving(Tagger.load(folder), **options(stub, grow=True))
        return StudioClient(client, config(*(choices or LABELS)))

    return start


def learnt(studio) -> None:
    """Wait until the version is another one."""
    before = studio.version
    wait(lambda: studio.connect().status_code == 200 and studio.version != before)


def test_what_a_person_corrects_is_what_is_predicted_then(teaching, stub, crosses, own_kernel):
    studio = teaching()
    assert studio.connect().status_code == 200
    image = upload(stub, crosses[0])
    (before,) = studio.predict(image)
    right = set(LABELS) - before
    answer = studio.submit(1, image, right)
    assert answer.status_code == 201
    assert answer.json()["result"] == "1 annotation accepted, to be learnt"
    learnt(studio)
    assert studio.predict(image) == [right]

    version = studio.version  # delivered twice, it counts once
    again = studio.submit(1, image, right, action="ANNOTATION_UPDATED")
    assert (again.status_code, again.json()["result"]) == (
        200,
        "0 annotations accepted, to be learnt",
    )
    lines = (own_kernel / JOURNAL).read_text().splitlines()
    assert len(lines) == 2, "the annotation, and the name of the image"

    studio.webhook("ANNOTATIONS_DELETED", annotations=[{"id": 1}])
    learnt(studio)
    assert studio.version != version
    assert studio.predict(image) == [before]

    studio.submit(2, image, right, task_id=5)
    learnt(studio)
    assert studio.predict(image) == [right]
    studio.webhook("TASKS_DELETED", tasks=[{"id": 5}])
    learnt(studio)
    assert studio.predict(image) == [before]


def test_a_new_choice_becomes_a_label_when_enough_images_show_it(teaching, stub, crosses, photos):
    studio = teaching("cross", "red")
    assert studio.connect().json()["unknown_choices"] == ["cross"]
    for number, cross in enumerate(crosses[:ENOUGH], 1):
        assert studio.submit(number, upload(stub, cross), {"cross"}).status_code == 201
    wait(lambda: "unknown_choices" not in studio.connect().json())
    assert studio.predict(upload(stub, crosses[1])) == [{"cross"}]


def test_a_server_that_was_killed_learns_what_it_had_accepted(teaching, stub, crosses, own_kernel):
    image = upload(stub, crosses[0])
    journal = Journal(own_kernel)
    journal.submit("7/1", image, 1, {label: int(label == "red") for label in LABELS})
    with journal.path.open("ab") as file:
        file.write(b'{"annotation": "7/2", "ima')  # and in the middle of the next
    studio = teaching()
    wait(lambda: studio.predict(image) == [{"red"}])
    assert studio.submit(3, image, {"red"}, task_id=1).status_code == 201
    assert Journal(own_kernel).wanted()[image]["red"] == 1


def test_what_label_studio_does_not_give_is_learnt_later(teaching, stub, crosses, caplog):
    studio = teaching()
    image = upload(stub, crosses[0])
    content = stub.files.pop(image)
    assert studio.connect().status_code == 200
    assert studio.submit(1, image, {"red"}).status_code == 201
    wait(lambda: "is not learnt yet" in caplog.text)
    stub.files[image] = content
    assert studio.webhook("START_TRAINING").status_code == 201
    learnt(studio)
    assert studio.predict(image) == [{"red"}]


def test_a_server_that_may_not_change_its_tagger_learns_nothing(own_kernel, serving, stub, crosses):
    studio = StudioClient(serving(Tagger.load(own_kernel), **options(stub)), config(*LABELS))
    before = (own_kernel / MODEL).read_bytes()
    answer = studio.submit(1, upload(stub, crosses[0]), {"red"})
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert "--grow" in answer.json()["result"]
    assert not (own_kernel / JOURNAL).exists()
    assert (own_kernel / MODEL).read_bytes() == before


def test_events_that_are_not_whole_are_refused_and_others_ignored(
    teaching, stub, own_kernel, monkeypatch
):
    monkeypatch.setattr(learner.Learner, "wake", lambda self: None)
    studio = teaching()
    for action in ("TASKS_CREATED", "PROJECT_UPDATED", "LABEL_LINK_CREATED", None, 7):
        answer = studio.webhook(action, tasks=[task(1, "/1.png")])
        assert (answer.status_code, answer.json()["result"]) == (
            200,
            "this event changes nothing here",
        )
    whole = {"id": 1, "result": region({"red"}), "task": 1}
    for payload, words in (
        ({}, "send its payload"),
        ({"annotation": {"result": []}, "task": task(1, "/1.png")}, "no id"),
        ({"annotation": whole}, "the address of an image"),
        ({"annotation": whole, "task": task(2, "/1.png")}, "the address of an image"),
        ({"annotation": whole, "task": task([1], "/1.png")}, "the address of an image"),
        ({"annotation": whole, "task": task(1, "x" * 10_001)}, "is not kept"),
    ):
        assert_refused(studio.webhook("ANNOTATION_CREATED", **payload), 422, "bad_event", words)
    bad = {"id": 1, "task": 1, "result": "red"}
    answer = studio.webhook("ANNOTATION_CREATED", annotation=bad, task=task(1, "/1.png"))
    assert_refused(answer, 422, "bad_annotation")
    assert not (own_kernel / JOURNAL).exists()


def test_many_annotations_at_once_and_skipped_tasks_are_understood(
    teaching, own_kernel, monkeypatch
):
    monkeypatch.setattr(learner.Learner, "wake", lambda self: None)
    studio = teaching("red", "blue")
    many = [{"id": n, "result": region({"red"}), "task": n} for n in (1, 2)]
    tasks = [task(n, f"/{n}.png") for n in (1, 2)]
    answer = studio.webhook("ANNOTATIONS_CREATED", annotation=many, task=tasks)
    assert answer.json()["result"] == "2 annotations accepted, to be learnt"
    journal = Journal(own_kernel)
    assert journal.wanted() == {f"/{n}.png": {"blue": 0, "red": 1} for n in (1, 2)}
    skipped = {"id": 1, "result": [], "task": 1, "was_cancelled": True}
    studio.webhook("ANNOTATION_UPDATED", annotation=skipped, task=tasks[0])
    assert Journal(own_kernel).wanted()["/1.png"] == {"blue": -1, "red": -1}


@pytest.fixture
def kept(teaching, monkeypatch):
    """A client of a server that keeps what it is sent; three annotations of two tasks are there."""
    monkeypatch.setattr(learner.Learner, "wake", lambda self: None)
    studio = teaching("red", "blue")
    for number, task_id, chosen in ((1, 11, {"red"}), (2, 11, {"blue"}), (3, 12, {"red"})):
        studio.submit(number, f"/{task_id}.png", chosen, task_id=task_id)
    return studio


@pytest.mark.parametrize(
    "payload",
    [
        {"tasks": [{"id": 11}, {"id": 99}]},  # as published
        {"id": 11, "action": "TASK_DELETED"},
        {"tasks": [{"id": 11}], "project": None},  # all tasks of a project at once
    ],
)
def test_the_annotations_of_a_deleted_task_are_taken_back(kept, own_kernel, payload):
    before = Journal(own_kernel).wanted()
    event = {"action": "TASKS_DELETED", "project": {"id": 7}, **payload}
    answer = kept.client.post("/webhook", json=event)
    assert (answer.status_code, answer.json()["result"]) == (201, "2 annotations taken back")
    wanted = Journal(own_kernel).wanted()  # read anew: it is on the disk
    assert wanted == before | {"/11.png": {"red": -1, "blue": -1}}
    again = kept.client.post("/webhook", json=event)
    assert (again.status_code, again.json()["result"]) == (200, "0 annotations taken back")


def test_a_deleted_task_of_another_project_or_without_a_number_takes_nothing_back(kept, own_kernel):
    before = (own_kernel / JOURNAL).read_bytes()
    event = {"action": "TASKS_DELETED", "project": {"id": 8}, "tasks": [{"id": 11}]}
    assert kept.client.post("/webhook", json=event).status_code == 200
    for payload in ({}, {"tasks": []}, {"tasks": [{}]}, {"tasks": [{"id": "11"}]}):
        assert_refused(kept.webhook("TASKS_DELETED", **payload), 422, "bad_event")
    assert (own_kernel / JOURNAL).read_bytes() == before


def test_a_task_is_deleted_with_an_annotation_that_was_changed_or_is_gone(kept, own_kernel):
    kept.submit(1, "/11.png", {"blue"}, action="ANNOTATION_UPDATED", task_id=11)
    kept.webhook("ANNOTATIONS_DELETED", annotations=[{"id": 2}])
    answer = kept.webhook("TASKS_DELETED", tasks=[{"id": 11}])
    assert answer.json()["result"] == "1 annotation taken back"
    assert Journal(own_kernel).wanted()["/11.png"] == {"red": -1, "blue": -1}


def test_an_annotation_that_does_not_repeat_its_task_is_of_the_one_in_the_event(
    teaching, own_kernel, monkeypatch
):
    monkeypatch.setattr(learner.Learner, "wake", lambda self: None)
    one = {"id": 1, "result": region({"red"})}
    teaching("red").webhook("ANNOTATION_CREATED", annotation=one, task=task(7, "/7.png"))
    assert Journal(own_kernel).wanted() == {"/7.png": {"red": 1}}


def test_people_who_disagree_leave_a_label_unknown(tmp_path):
    journal = Journal(tmp_path)
    journal.submit("7/1", "/1.png", 1, {"red": 1, "blue": 0})
    journal.submit("7/2", "/1.png", 1, {"red": 0, "blue": 0})
    assert journal.wanted() == {"/1.png": {"red": -1, "blue": 0}}
    assert journal.submit("7/2", "/1.png", 1, {"red": 1, "blue": 0})
    assert not journal.submit("7/2", "/1.png", 1, {"red": 1, "blue": 0})
    assert Journal(tmp_path).wanted() == {"/1.png": {"red": 1, "blue": 0}}
    assert journal.withdraw("7/1")
    assert not journal.withdraw("7/1")
    assert not journal.withdraw("7/9")


@pytest.mark.parametrize(
    "line",
    [
        '{"image": 1}',
        "[]",
        "{",
        '{"image": "a"}',
        '{"image": "a", "annotation": "1", "answers": {"b": 2}}',
    ],
)
def test_a_damaged_journal_is_said_with_its_line(tmp_path, line):
    journal = Journal(tmp_path)
    journal.submit("7/1", "/1.png", 1, {"red": 1})
    with journal.path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match="line 2 is damaged"):
        Journal(tmp_path)


def test_choices_below_many_other_tags_are_refused():
    between = config("sea").replace("<Choice ", "<View>" * 2000 + "<Choice ")
    label_config = between.replace("</Choices>", "</View>" * 2000 + "</Choices>")
    with pytest.raises(ApiError, match="nest deeper than 16 levels"):
        read_labeling(label_config)


def test_many_answers_of_many_choices_take_no_product_of_the_two():
    labeling = read_labeling(config(*map(str, range(20_000))))
    chosen = [str(number) for number in range(0, 40_000, 2)]
    started = time.process_time()
    answers = labeling.answers(region(chosen))
    assert time.process_time() - started < 5
    assert [name for name, value in answers.items() if value] == sorted(chosen[:10_000])


def test_an_answer_of_nested_choices_has_those_above_them():
    tree = (
        '<Taxonomy name="kinds" toName="image"><Choice value="animal"><Choice value="cat"/>'
        '<Choice value="dog"/></Choice></Taxonomy>'
    )
    labeling = read_labeling(config("sea", taxonomy=[tree]))
    kinds = {"from_name": "kinds", "to_name": "image", "type": "taxonomy"}
    result = [{**kinds, "value": {"taxonomy": [["animal", "cat"]]}}]
    assert labeling.answers(result) == {"animal": 1, "cat": 1, "dog": 0, "sea": 0}
    assert labeling.answers([]) == {"animal": 0, "cat": 0, "dog": 0, "sea": 0}


def test_the_options_are_checked_before_anything_is_loaded(tmp_path, monkeypatch):
    token = tmp_path / "token.txt"
    token.write_text(f"{LEGACY}\n")
    found = studio_options(True, "http://localhost:8080/", token, tmp_path)
    assert found["label_studio_url"] == "http://localhost:8080"
    assert found["label_studio_token"] == LEGACY
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "from-the-environment")
    assert studio_options(True, None, None, None)["label_studio_token"] == "from-the-environment"
    assert studio_options(False, None, None, None) == {}
    for given, words in (
        ((False, "http://localhost", None, None), "go with label_studio=True"),
        ((True, "localhost:8080", None, None), "an address such as"),
        ((True, "http://localhost/?a=1", None, None), "an address such as"),
        ((True, "http://a:b@localhost/", None, None), "an address such as"),
        ((True, "http://localhost", None, tmp_path / "gone"), "takes a folder"),
        ((True, None, token, None), "goes with label_studio_url="),
        ((True, "http://localhost", tmp_path / "gone", None), "No such file"),
    ):
        with pytest.raises(InputError, match=words):
            studio_options(*given)


def test_an_address_below_its_own_is_no_prefix_of_the_server(quick):
    with pytest.raises(InputError, match="an address of the server itself"):
        create_app(quick, ServeSettings(root_path="/predict"))


def test_predictions_do_not_wait_for_what_is_learnt(teaching, stub, photos, monkeypatch):
    monkeypatch.setattr(learner, "PAUSE", 0.5)  # all of them in one round
    gate, studio, waiting = threading.Event(), teaching(), []

    def wait_for_gate(request):
        waiting.append(request.path)
        gate.wait(20)
        request.send_error(404)

    monkeypatch.setattr(stub, "answer", wait_for_gate)
    for number in range(20):
        assert studio.submit(number, f"/data/upload/7/{number}.png", {"red"}).status_code == 201
    wait(lambda: len(waiting) == FETCHED)
    data = "data:image/png;base64," + base64.b64encode(photos[0].read_bytes()).decode()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(studio.predict, data)
        try:
            assert len(asked.result(10)) == 1
        finally:
            gate.set()


def test_normal_requests_do_not_wait_for_label_studio(quick, serving, stub, photos, monkeypatch):
    """Its images are fetched in threads of their own, however long they take."""
    gate, client = threading.Event(), serving(quick, **options(stub))
    studio, address = StudioClient(client, config(*LABELS)), upload(stub, photos[0])
    answer = stub.answer
    monkeypatch.setattr(stub, "answer", lambda request: gate.wait(20) and answer(request))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(studio.request, [task(n, address) for n in range(40)])
        for _ in range(3):
            assert client.post("/v1/tags?threshold=0.5", content=picture()).status_code == 200
        assert not slow.done()
        gate.set()
        assert len(slow.result().json()["results"]) == 40
