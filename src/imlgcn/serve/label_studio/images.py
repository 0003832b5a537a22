"""The images of tasks: from where the operator has said, and from nowhere else.

The data of a task come from whoever can write tasks, so an address in them is only ever followed
to the one Label Studio that the server was started with, or into the one folder; redirects to
another host are refused, and the token goes to that Label Studio alone. The host name and the token
that a request to ``/setup`` brings are not used.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from imlgcn.errors import InputError
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.serve.json_body import decoded_image

CLOUD = ("s3://", "gs://", "azure-blob://")
LOCAL = "/data/local-files/"
RESERVED = "%/:?[]@!$&'()*+,;=~"  # signs of an address that keep their meaning
REDIRECTS = 3
SECONDS = 15.0  # until an image has arrived
CHUNK = 1 << 16
FRESH = 240.0  # seconds that an access token is used; Label Studio's hold for five minutes
ASK_URL = "start the server with --label-studio-url URL to fetch images from there"


class Origin(NamedTuple):
    """Scheme, host and port of an address."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin | None:
    """Return where an http(s) address leads; None of another, or one with a name and password.

    >>> origin_of("https://label.example/data/upload/1.jpg")
    Origin(scheme='https', host='label.example', port=443)
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return None
    return Origin(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))


def checked_url(url: str) -> str:
    """Return the address of a Label Studio without a slash at its end.

    Raises:
        InputError: it is not an http(s) address, or has more than a host, a port and a path.
    """
    parts = urlsplit(url)
    if origin_of(url) is None or parts.query or parts.fragment or re.search(r"[\s\\]", url):
        raise InputError(
            f"label_studio_url= takes an address such as http://localhost:8080; got {url!r}"
        )
    return url.rstrip("/")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Leave a redirect to the caller."""


class TaskImages:
    """Gets the images of tasks; any thread may call it.

    Args:
        url: of Label Studio; None: nothing is fetched.
        token: for it: a legacy token, or a personal access token, which is exchanged as
            https://labelstud.io/guide/access_tokens says.
        files: the folder below which local files are read; None: they are fetched as well.
        most: bytes of an image.
    """

    def __init__(self, url: str | None, token: str | None, files: Path | None, most: int) -> None:
        self._url = None if url is None else checked_url(url)
        self._origin = None if self._url is None else origin_of(self._url)
        self._token, self._most = token, most
        self._files = None if files is None else files.resolve()
        self._lock = threading.Lock()
        self._access, self._until = "", 0.0
        # no proxy of the environment: it would see the token
        self._open = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({})).open

    def get(self, address: Any, task: Any = None) -> bytes:
        """Return the content of an image by the address in a task's data.

        Raises:
            ApiError: 422, with one sentence: not from there, or it cannot be had.
        """
        if not isinstance(address, str) or not address:
            raise _refused("the task has no address of an image")
        if address[:5].lower() == "data:":
            return decoded_image(address, 1)
        if self._files is not None and (local := _local_part(address)) is not None:
            return self._read(local)
        return self._fetch(self._full(address, task))

    def _full(self, address: str, task: Any) -> str:
        """Return the whole address, of this Label Studio."""
        if self._url is None:
            raise _refused(f"this server fetches nothing; {ASK_URL}")
        if address.startswith(CLOUD):
            coded = base64.urlsafe_b64encode(address.encode()).decode()
            number = task if isinstance(task, int) else 0
            return f"{self._url}/tasks/{number}/resolve/?fileuri={coded}"
        if address.startswith("/") and not address.startswith("//"):
            return self._url + address
        if origin_of(address) != self._origin:
            raise _refused(
                "the image is neither in Label Studio nor in a folder of this server's, and other "
                "hosts are not asked"
            )
        return address

    def _fetch(self, url: str) -> bytes:
        end = time.monotonic() + SECONDS
        for _ in range(REDIRECTS + 1):
            if origin_of(url) != self._origin:
                raise _refused(
                    "Label Studio redirects to another host for the image, which is not followed; "
                    "let its cloud storage hand images through (no pre-signed URLs)"
                )
            # names of files may have spaces, or letters that a request cannot hold
            plain = quote(url.partition("#")[0], safe=RESERVED)
            request = urllib.request.Request(plain, headers=self._headers(end))
            try:
                with self._open(request, timeout=_left(end)) as answer:
                    return self._all(answer, end)
            except urllib.error.HTTPError as error:
                with error:
                    to = error.headers.get("location")
                    if error.code not in (301, 302, 303, 307, 308) or not to:
                        raise _refused(_status(error.code, self._token is not None)) from None
                    url = urljoin(url, to)
            except (OSError, HTTPException, ValueError) as error:
                LOG.warning("an image of Label Studio's: %s", error)
                raise _refused("Label Studio does not answer with the image") from None
        raise _refused("Label Studio redirects again and again for the image")

    def _all(self, answer: Any, end: float) -> bytes:
        parts, size = [], 0
        while chunk := answer.read1(CHUNK):
            parts.append(chunk)
            size += len(chunk)
            if size > self._most:
                raise _refused(f"the image has more than {self._most / 1e6:g} MB")
            _left(end)
        return b"".join(parts)

    def _headers(self, end: float) -> dict[str, str]:
        if self._token is None:
            return {}
        if self._token.count(".") != 2:
            return {"Authorization": f"Token {self._token}"}
        with self._lock:
            if time.monotonic() > self._until:
                self._access, self._until = self._exchanged(end), time.monotonic() + FRESH
            return {"Authorization": f"Bearer {self._access}"}

    def _exchanged(self, end: float) -> str:
        """Return an access token for the personal one."""
        body = json.dumps({"refresh": self._token}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._url}/api/token/refresh/", body, headers)
        try:
            with self._open(request, timeout=_left(end)) as answer:
                access = json.loads(answer.read(CHUNK))["access"]
        except (OSError, HTTPException, ValueError, TypeError, KeyError) as error:
            LOG.warning("Label Studio's access token: %s", error)
            raise _refused("Label Studio does not take the access token") from None
        if not isinstance(access, str) or not re.fullmatch(r"[\w.=-]+", access):
            raise _refused("Label Studio does not take the access token")
        return access

    def _read(self, local: str) -> bytes:
        """Return a file below the folder; links that lead out of it are refused."""
        assert self._files is not None
        missing = _refused("there is no such image below the folder of --label-studio-files")
        try:
            path = (self._files / local.lstrip("/")).resolve(strict=True)
            if not path.is_relative_to(self._files):
                raise missing
            with open(path, "rb", opener=_plainly) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise missing
                data: bytes = file.read(self._most + 1)
        except (OSError, ValueError, RuntimeError):
            raise missing from None
        if len(data) > self._most:
            raise _refused(f"the image has more than {self._most / 1e6:g} MB")
        return data


def _plainly(path: str, flags: int) -> int:
    """Open a file that is not a pipe to wait for, and no link that took its place meanwhile."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))


def _local_part(address: str) -> str | None:
    """Return the path in an address of Label Studio's local storage; None of another."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if not parts.path.endswith(LOCAL) or (parts.scheme and parts.scheme not in ("http", "https")):
        return None
    return (parse_qs(parts.query).get("d") or [""])[0]


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise _refused(f"the image did not arrive in {SECONDS:g} seconds")
    return left


def _status(code: int, has_token: bool) -> str:
    if code not in (401, 403):
        return f"Label Studio answers with status {code} for the image"
    if has_token:
        return "Label Studio does not take the token of --label-studio-token-file for the image"
    return "Label Studio asks for a token for the image; give one with --label-studio-token-file"


def _refused(why: str) -> ApiError:
    return ApiError(422, "no_task_image", why)
