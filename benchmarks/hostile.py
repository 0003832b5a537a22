"""Requests that nobody well-meaning sends, each with the answers that are right for it."""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image

ADDRESS = "POST /v1/tags HTTP/1.1\r\nhost: 127.0.0.1\r\n"
PATIENCE = 60.0  # seconds; no answer takes longer
SLOW = 0.5  # seconds between the bytes of a slow body
LARGE = 9_000  # pixels a side of an image that costs much, and may


class Answer(NamedTuple):
    """A status, 0 where the connection was closed without one, and the body."""

    status: int
    body: bytes


class Hostile(NamedTuple):
    """A kind of request: it is sent to a port and gives a status, which should be one of these."""

    name: str
    send: Callable[[int], int]
    right: frozenset[int]


def kinds(image: bytes) -> list[Hostile]:
    """Return every kind, made from a JPEG image; a server that is well answers none with 5xx."""
    nested = b'{"image": ' + b"[" * 100_000
    return [
        _bytes("many scans", _many_scans(400), "image/jpeg", 415, 422),
        _bytes("large, of one colour", _large(), "image/png", 200, 422),
        _bytes("no image", b"\0" * 50_000, "image/jpeg", 415, 422),
        _bytes("cut off", image[: len(image) // 2], "image/jpeg", 200, 422),
        _bytes("nested JSON", nested, "application/json", 400, 413),
        _bytes("JSON cut off", b'{"images": ["', "application/json", 400, 422),
        _bytes("numbers for images", b'{"images": [1e999, -1]}', "application/json", 400, 422),
        Hostile("slow body", _slow, frozenset({408})),
        Hostile("left in the middle", _left(image), frozenset({0})),
        Hostile("half a head", _half, frozenset({0})),
    ]


def read_answer(connection: socket.socket) -> Answer:
    """Return what comes back on a connection."""
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        if not (part := connection.recv(65536)):
            return Answer(0, b"")
        answer += part
    found = re.search(rb"(?i)content-length: (\d+)", answer[:end])
    length = int(found[1]) if found else 0
    body = answer[end + 4 :]
    while len(body) < length:
        if not (part := connection.recv(65536)):
            return Answer(0, b"")
        body += part
    return Answer(int(answer[9:12]), body)


def _bytes(name: str, body: bytes, content_type: str, *right: int) -> Hostile:
    head = f"{ADDRESS}content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"

    def send(port: int) -> int:
        with _connect(port) as connection:
            connection.sendall(head.encode() + body)
            return read_answer(connection).status

    return Hostile(name, send, frozenset(right))


def _slow(port: int) -> int:
    """Send a byte now and then until the server has had enough."""
    with _connect(port) as connection:
        connection.sendall(f"{ADDRESS}content-length: 1000000\r\n\r\n".encode())
        connection.settimeout(SLOW)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                return read_answer(connection).status
            except TimeoutError:
                connection.sendall(b"\xff")
    return -1


def _left(image: bytes) -> Callable[[int], int]:
    def send(port: int) -> int:
        with _connect(port) as connection:
            head = f"{ADDRESS}content-type: image/jpeg\r\ncontent-length: {len(image)}\r\n\r\n"
            connection.sendall(head.encode() + image[: len(image) // 2])
        return 0

    return send


def _half(port: int) -> int:
    with _connect(port) as connection:
        connection.sendall(ADDRESS.encode()[:30])
    return 0


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def _many_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again."""
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(file, "JPEG", progressive=True)
    content = file.getvalue()
    start = content.rindex(b"\xff\xda")
    return content[:-2] + content[start:-2] * count + content[-2:]


def _large() -> bytes:
    """Return a PNG of 80 kB that is 81 million pixels, which a server accepts."""
    file = io.BytesIO()
    Image.new("L", (LARGE, LARGE), 90).save(file, "PNG")
    return file.getvalue()
