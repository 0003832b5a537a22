"""An id for each request, and a line of the log when it is answered.

A line holds nothing of an image, no name of a file, no query and no header but the id. What else
comes from a client, method and path, is escaped and cut, so that nobody writes a line of their own.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Style = Literal["text", "json"]
HEADER = "x-request-id"
VALID = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")  # nothing that a log or JSON would have to escape
MOST = 200  # characters of a path
METHOD_MOST = 20
REQUESTS = logging.getLogger("imlgcn.requests")


@dataclass
class Facts:
    """What is counted of one request: images, and bytes of the body and of the answer."""

    id: str
    images: int = 0
    received: int = 0
    sent: int = 0
    status: int | None = None  # None: the client left before there was one


_FACTS: ContextVar[Facts | None] = ContextVar("imlgcn_request", default=None)


def new_id() -> str:
    """Return an id that no other request has."""
    return secrets.token_hex(12)


def request_id() -> str:
    """Return the id of the request that is being answered; a new one where there is none."""
    facts = _FACTS.get()
    return new_id() if facts is None else facts.id


def count_images(images: int) -> None:
    """Say how many images the request that is being answered has."""
    if (facts := _FACTS.get()) is not None:
        facts.images = images


class RequestLog:
    """Middleware: gives each request its id and writes its line."""

    def __init__(self, app: ASGIApp, style: Style = "text") -> None:
        self.app, self.style = app, style

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        facts, started = Facts(_given(Headers(scope=scope)) or new_id()), time.perf_counter()

        async def receive_counted() -> Message:
            message = await receive()
            facts.received += len(message.get("body", b""))
            return message

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts.status = message["status"]
                MutableHeaders(scope=message)[HEADER] = facts.id
            facts.sent += len(message.get("body", b""))
            await send(message)

        token = _FACTS.set(facts)
        try:
            await self.app(scope, receive_counted, send_counted)
        finally:
            _FACTS.reset(token)
            if REQUESTS.isEnabledFor(logging.INFO):
                seconds = time.perf_counter() - started
                REQUESTS.info("%s", line_of(facts, scope, seconds, self.style))


def line_of(facts: Facts, scope: Scope, seconds: float, style: Style) -> str:
    """Return the line of a request that took some ``seconds``."""
    values: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": facts.id,
        "method": escaped(scope["method"], METHOD_MOST),
        "path": escaped(scope["path"]),
        "status": facts.status,
        "ms": round(1000 * seconds, 1),
        "received": facts.received,
        "bytes": facts.sent,
        "images": facts.images,
    }
    if style == "json":
        return json.dumps(values)
    first = [str(values.pop(name)) for name in ("time", "id", "method", "path")]
    return " ".join([*first, *(f"{name}={value}" for name, value in values.items())])


def escaped(text: str, most: int = MOST) -> str:
    """Return a text of a client's for a log: ASCII without spaces, quotes and control signs.

    >>> escaped("/a b\\nc")
    '/a%20b%0Ac'
    """
    found = quote(text[:most], safe="/:@,;=+$!*()", errors="replace")
    return found if len(text) <= most and len(found) <= most else f"{found[:most]}..."


def _given(headers: Headers) -> str | None:
    """Return the id that a client has given, if it is one and can be kept."""
    found = headers.getlist(HEADER)
    return found[0] if len(found) == 1 and VALID.fullmatch(found[0]) else None
