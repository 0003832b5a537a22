"""Label Studio as far as the server meets it: images on loopback, and requests to a backend.

The requests are those of ``MLApi`` in its ``ml/api_connector.py``, and of ``run_webhook`` in
``webhooks/utils.py``; what is made of an answer is in ``ml/models.py``.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

LEGACY = "d0b3bd0f3f7f0a5d2f5d2c8a9e7b6c5d4e3f2a1b"
PERSONAL = "eyJhbGciOi.eyJ0b2tlbl90.c2lnbmF0dXJl"


class Stub:
    """What a stub has to serve, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}  # by path and query
        self.redirects: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []  # address, Authorization
        self.needs_token = True
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        authorization = request.headers.get("authorization")
        self.asked.append((request.path, authorization))
        right = (f"Token {LEGACY}", "Bearer access-1")
        if request.path in self.redirects:
            request.send_response(302)
            request.send_header("location", self.redirects[request.path])
            request.end_headers()
        elif self.needs_token and authorization not in right:
            request.send_error(401)
        elif request.path not in self.files:
            request.send_error(404)
        else:
            request.send_response(200)
            request.end_headers()
            request.wfile.write(self.files[request.path])


@contextmanager
def studio_stub():
    """Yield a stub that listens on loopback."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            stub.answer(self)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            stub.asked.append((self.path, None))
            given = json.loads(body).get("refresh")
            right = self.path == "/api/token/refresh/" and given == PERSONAL
            self.send_response(200 if right else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"access": "access-1"}).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def config(*choices, taxonomy=()) -> str:
    """Return a labeling configuration with these choices."""
    listed = "".join(f'<Choice value="{choice}"/>' for choice in choices)
    text = f'<Choices name="tags" toName="image" choice="multiple">{listed}</Choices>'
    return f'<View><Image name="image" value="$image"/>{text}{"".join(taxonomy)}</View>'


class StudioClient:
    """Asks a backend as Label Studio does, and refuses what it could not use."""

    def __init__(self, client, label_config: str, *, auth=None, headers=None) -> None:
        self.client, self.label_config = client, label_config
        self.auth, self.headers = auth, headers or {}
        self.version: str | None = None

    def connect(self):
        """Ask as when a model is added: for the health, then for the version."""
        health = self.client.get("/health", auth=self.auth)
        assert health.status_code == 200, health.text
        request = {
            "project": "7.1700000000",
            "schema": self.label_config,
            "hostname": "http://192.0.2.1:8080",
            "access_token": "a-token-of-the-projects-owner",
            "extra_params": None,
        }
        answer = self.client.post("/setup", json=request, auth=self.auth)
        if answer.status_code == 200:
            self.version = answer.json().get("model_version")
            assert isinstance(self.version, str)
        return answer

    def request(self, tasks):
        request = {
            "tasks": tasks,
            "project": "7.1700000000",
            "label_config": self.label_config,
            "params": {"login": None, "password": None, "context": None},
        }
        return self.client.post("/predict", json=request, auth=self.auth)

    def predict(self, *images) -> list[set[str]]:
        """Return what is ticked in the predictions of tasks with these images."""
        tasks = [task(number, image) for number, image in enumerate(images, 1)]
        answer = self.request(tasks)
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert isinstance(results, list)
        assert len(results) == len(tasks)
        return [ticked(self.label_config, result) for result in results]

    def webhook(self, action, **payload):
        project = {"id": 7, "title": "photos", "label_config": self.label_config}
        event = {"action": action, **payload, "project": project}
        return self.client.post("/webhook", json=event, headers=self.headers)

    def submit(self, number, image, chosen, *, action="ANNOTATION_CREATED", task_id=None):
        """Send the event of an annotation, with the fields of the published example."""
        task_id = task_id or number
        annotation = {
            "id": number,
            "result": region(chosen),
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": "2021-08-17T13:52:48.536303Z",
            "updated_at": "2021-08-17T13:52:48.536370Z",
            "lead_time": 37.13,
            "prediction": {},
            "result_count": 0,
            "task": task_id,
            "completed_by": 1,
        }
        return self.webhook(action, annotation=annotation, task=task(task_id, image))


def region(chosen) -> list[dict]:
    """Return the result of an annotation; one without a choice has none."""
    if not chosen:
        return []
    value = {"choices": list(chosen)}
    shared = {"from_name": "tags", "to_name": "image", "type": "choices", "origin": "manual"}
    return [{"id": "WArqkkifYE", **shared, "value": value}]


def task(number, image) -> dict:
    """Return a task as ``TaskSimpleSerializer`` writes it."""
    return {
        "id": number,
        "data": {"image": image},
        "meta": {},
        "created_at": "2025-05-07T10:17:03.901828Z",
        "updated_at": "2025-05-13T11:49:51.969507Z",
        "is_labeled": False,
        "overlap": 1,
        "inner_id": number,
        "project": 7,
        "file_upload": 4,
        "annotations": [],
        "predictions": [],
    }


def ticked(label_config: str, prediction: dict) -> set[str]:
    """Return the choices that a prediction ticks on the page of a configuration.

    A result counts where its names and its type are those of a tag, and its choices are there.
    """
    root = ElementTree.fromstring(label_config)
    tags = {tag.get("name"): tag for tag in root.iter() if tag.tag in ("Choices", "Taxonomy")}
    score = prediction.get("score")
    assert score is None or isinstance(score, float)
    found = set()
    for result in prediction["result"]:
        tag = tags.get(result["from_name"])
        if tag is None or tag.get("toName") != result["to_name"]:
            continue
        if result["type"] != tag.tag.lower():
            continue
        paths = list(paths_of(tag))
        nested = tag.tag == "Taxonomy" or any(len(path) > 1 for path in paths)
        for choice in result["value"][result["type"]]:
            path = tuple(choice) if nested else (choice,)
            if path in paths:
                found.add(path[-1])
    return found


def paths_of(tag, above=()):
    for child in tag:
        path = (*above, child.get("alias") or child.get("value"))
        yield path
        yield from paths_of(child, path)


def local(path) -> str:
    """Return an address of Label Studio's local storage."""
    return f"/data/local-files/?d={path}"


def file_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["d"][0]
