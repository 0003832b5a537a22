"""The part of the hub's API that its client calls, on loopback: repositories in memory.

Written from the client's requests (huggingface_hub: `hf_api.py`, `_commit_api.py`, `lfs.py`,
`file_download.py`): create a repository or branch, preupload, LFS batch and upload, commit, facts
of a model, its tree, and files with their ETag.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_of_a_writer"
READER = "hf_of_a_reader"
LFS = (".safetensors", ".onnx", ".parquet", ".bin")  # as in the .gitattributes of new repositories


@dataclass
class Repository:
    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)  # name -> commit
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # commit -> path -> content
    messages: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main", message: str = "") -> str:
        parent = self.branches.get(branch, "")
        text = json.dumps(
            [parent, message, {k: hashlib.sha1(v).hexdigest() for k, v in files.items()}]
        )
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha], self.branches[branch], self.messages[sha] = dict(files), sha, message
        return sha

    def resolve(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return self.commits[self.resolve(revision)]


class Hub(ThreadingHTTPServer):
    """The stub; ``asked`` are its requests, ``(method, path)``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}  # by SHA-256
        self.asked: list[tuple[str, str]] = []
        self.status: int | None = None  # of every answer, instead of what was asked for
        self.sizes: dict[str, int] = {}  # that the hub claims instead of the true ones
        self.broken_at: str | None = None  # part of a path that the hub refuses

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self, method: str) -> list[str]:
        return [path for was, path in self.asked if was == method]


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def answer(self) -> None:
        address = urlsplit(self.path)
        self.query, path = parse_qs(address.query), unquote(address.path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, path))
        if self.server.broken_at and self.server.broken_at in path:
            self.send(403, {"error": "no more"})
            return
        if self.server.status is not None:
            self.send(self.server.status, {"error": "as the test wants it"})
            return
        self.route(path, path.strip("/").split("/"))

    def route(self, path: str, parts: list[str]) -> None:
        if path == "/api/repos/create":
            self.create(json.loads(self.body))
        elif path == "/api/validate-yaml":
            self.send(200, {"errors": [], "warnings": []})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.batch(json.loads(self.body))
        elif parts[0] == "upload":
            self.server.stored[parts[1]] = self.body
            self.send(200, {})
        elif parts[:2] == ["api", "models"]:
            self.model("/".join(parts[2:4]), parts[4:])
        elif parts[2:3] == ["resolve"]:
            self.resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.send(404, {"error": f"the stub has no {path}"})

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def create(self, given: dict) -> None:
        if self.token != TOKEN:
            self.send(401 if not self.token else 403, {"error": "no right"})
            return
        name = f"{given['organization']}/{given['name']}"
        url = f"{self.server.endpoint}/{name}"
        if name in self.server.repositories:
            self.send(409, {"error": "exists", "url": url})
            return
        private = given.get("private") or given.get("visibility") == "private"
        self.server.repositories[name] = Repository(bool(private))
        self.server.repositories[name].commit(
            {".gitattributes": b"*.onnx lfs\n"}, message="initial"
        )
        self.send(200, {"url": url, "name": name})

    def batch(self, given: dict) -> None:
        actions = [
            one | {"actions": {"upload": {"href": f"{self.server.endpoint}/upload/{one['oid']}"}}}
            for one in given["objects"]
        ]
        self.send(200, {"transfer": "basic", "objects": actions})

    def found(self, name: str) -> Repository | None:
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and self.token not in (TOKEN, READER)):
            self.send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        return repository

    def model(self, name: str, rest: list[str]) -> None:
        if (repository := self.found(name)) is None:
            return
        what, revision = (*rest, "main")[:2] if rest else ("revision", "main")
        writes = what in ("preupload", "commit", "branch")
        if writes and self.token != TOKEN:
            self.send(403, {"error": "Forbidden"})
            return
        if what == "branch":
            exists = revision in repository.branches
            repository.branches.setdefault(revision, repository.branches["main"])
            self.send(409 if exists else 200, {})
            return
        commit = repository.resolve("/".join(rest[1:]) if what == "revision" and rest else revision)
        if commit is None:
            self.send(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        elif what == "preupload":
            self.preupload(repository.commits[commit])
        elif what == "commit":
            self.commit(name, repository, revision)
        elif what == "tree":
            self.send(200, [self.facts(*item) for item in repository.commits[commit].items()])
        else:
            self.send(200, self.about(name, repository, commit))

    def about(self, name: str, repository: Repository, commit: str) -> dict:
        siblings = []
        for path, data in repository.commits[commit].items():
            facts = self.facts(path, data)
            one = {"rfilename": path, "size": facts["size"], "blobId": facts["oid"]}
            if "lfs" in facts:
                one["lfs"] = {
                    "size": facts["size"],
                    "sha256": facts["lfs"]["oid"],
                    "pointerSize": 130,
                }
            siblings.append(one)
        if "blobs" not in self.query:
            siblings = [{"rfilename": one["rfilename"]} for one in siblings]
        return {"id": name, "sha": commit, "private": repository.private, "siblings": siblings}

    def facts(self, path: str, data: bytes) -> dict:
        size = self.server.sizes.get(path, len(data))
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        found = {"type": "file", "path": path, "size": size, "oid": oid}
        if path.endswith(LFS):
            found["lfs"] = {
                "oid": hashlib.sha256(data).hexdigest(),
                "size": size,
                "pointerSize": 130,
            }
        return found

    def preupload(self, there: dict[str, bytes]) -> None:
        found = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LFS) else "regular",
                "shouldIgnore": False,
                "oid": self.facts(file["path"], there[file["path"]])["oid"]
                if file["path"] in there
                else None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self.send(200, {"files": found})

    def commit(self, name: str, repository: Repository, branch: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if header.get("parentCommit") not in (None, repository.branches[branch]):
            self.send(412, {"error": "A commit has happened since"})
            return
        files = dict(repository.files(branch))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        sha = repository.commit(files, branch, header["summary"])
        url = f"{self.server.endpoint}/{name}/commit/{sha}"
        self.send(
            200, {"commitUrl": url, "commitOid": sha, "pullRequestUrl": None, "success": True}
        )

    def resolve(self, name: str, revision: str, path: str) -> None:
        if (repository := self.found(name)) is None:
            return
        commit = repository.resolve(revision)
        if commit is None or path not in repository.commits[commit]:
            self.send(404, {"error": "no entry"}, {"X-Error-Code": "EntryNotFound"})
            return
        data = repository.commits[commit][path]
        facts = self.facts(path, data)
        etag = facts["lfs"]["oid"] if "lfs" in facts else facts["oid"]
        self.send(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})

    def send(self, status: int, content, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def running_hub():
    """Yield a hub that answers until the block ends."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join(5)
