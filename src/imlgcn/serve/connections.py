"""Connections that cost nobody else anything: few enough, and none that only waits.

uvicorn has a time limit for the pause between two requests only. Here a client must also send the
whole head of a request in time, and take its answer; the time for a body is in `uploads`. Beyond
the limit the connection that has waited longest without a request makes room; where all have one,
the new one is told to come again. Over https a connection counts before its keys are agreed on.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any, Protocol, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from imlgcn.serve.errors import ApiError
from imlgcn.serve.handshakes import Handshake
from imlgcn.serve.request_log import HEADER, new_id
from imlgcn.serve.settings import ServeSettings
from imlgcn.serve.tls import server_context

PATIENCE = 1.0  # seconds that a client has, at least, before its place may be taken
LINGER = 0.5  # seconds before a refused connection is closed, so that the client sees why
WRITE_SECONDS = 30.0  # without a byte of its answer taken
SPARE_FILES = 128  # that the server opens besides connections
AT_ONCE = 16  # connections that asyncio takes before it looks at the first: fewer than spare files
QUEUE = 1024  # connections that the system holds until they are taken


class Waiting(Protocol):
    """A connection that has not asked anything yet, and may be ended for that."""

    def end(self, why: str) -> None:
        """Close it, and say why if the client can read that."""


class Connections:
    """The limits of one server's connections, and those that wait without a request."""

    def __init__(self, most: int, header_seconds: float) -> None:
        self.most, self.header_seconds = most, header_seconds
        self.waiting: dict[Waiting, float] = {}  # since when, the longest first

    def make_room(self, now: float) -> bool:
        """End the connection that has waited longest, and return whether there was one."""
        for connection, since in self.waiting.items():
            if now - since < PATIENCE:
                return False
            connection.end("the server has many connections, and this one made no request")
            return True
        return False


class LimitedProtocol(H11Protocol):
    """An HTTP connection of uvicorn, ended when it takes too long."""

    def __init__(self, *args: Any, limits: Connections, **options: Any) -> None:
        super().__init__(*args, **options)
        self.limits = limits
        self.handshake: Handshake | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it beyond the limit."""
        if self.handshake is not None:
            self.handshake.done()
        super().connection_made(transport)
        open_now, most = len(self.connections), self.limits.most
        if open_now > 2 * most:  # even those that are told so are too many
            transport.abort()
        elif open_now > most and not self.limits.make_room(self.loop.time()):
            self.end("the server has too many connections; try again in a second", status=503)
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, and start or stop the clock of the head."""
        if self._is_ending:
            return
        super().data_received(data)
        if self._has_asked() and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._timer is None and not self.transport.is_closing():
            self._wait()  # the start of a head, or the rest of a body that nobody reads

    def on_response_complete(self) -> None:
        """Wait for the next request, as long as uvicorn does."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.limits.waiting.setdefault(self, self.loop.time())

    def pause_writing(self) -> None:
        """Start the clock of a client that does not take its answer."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that clock."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def end(self, why: str, status: int = 408) -> None:
        """Say why, and close the connection a moment later."""
        self._stop_waiting()
        self._unset_keepalive_if_required()
        self._is_ending = True
        if not self._has_asked():  # else it may take it for the answer to something else
            self.transport.write(_answer(status, why))
        self.loop.call_later(LINGER, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the shape of every error."""
        self.transport.write(_answer(400, "this is not an HTTP/1.1 request"))
        self.transport.close()

    def _has_asked(self) -> bool:
        cycle: object | None = self.cycle
        return cycle is not None

    def _wait(self) -> None:
        self.limits.waiting.setdefault(self, self.loop.time())
        why = f"no whole request in {self.limits.header_seconds:g} seconds"
        self._timer = self.loop.call_later(self.limits.header_seconds, self.end, why)

    def _stop_waiting(self) -> None:
        self.limits.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LimitedServer(uvicorn.Server):
    """A server that knows whether it could answer a request."""

    was_stopped_before = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen.

        What asyncio calls backlog is how many connections it takes at once as well. A server that
        has no file for one of them hears nobody for seconds, so that they are few.
        """
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(QUEUE)
        self.was_stopped_before = self.should_exit


def limited(settings: ServeSettings) -> type[H11Protocol]:
    """Return the protocol of one server, as uvicorn takes it."""
    limits = Connections(allow_files(settings.max_connections), settings.header_seconds)
    http = partial(LimitedProtocol, limits=limits)
    if settings.cert is None or settings.key is None:
        return cast(type[H11Protocol], http)
    context = server_context(settings.cert, settings.key)
    return cast(type[H11Protocol], lambda **given: Handshake(http(**given), context))


def allow_files(connections: int) -> int:
    """Let this process open a file for each connection; return for how many it may."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    wanted = 2 * connections + SPARE_FILES  # those that are refused are open for a moment, too
    if soft != endless and soft < wanted:
        soft = wanted if hard == endless else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == endless else max(1, min(connections, (soft - SPARE_FILES) // 2))


def _answer(status: int, why: str) -> bytes:
    code, phrase = {
        400: ("bad_request", "Bad Request"),
        408: ("too_slow", "Request Timeout"),
        503: ("busy", "Service Unavailable"),
    }[status]
    identity = new_id()
    body = ApiError(status, code, why).response(identity).body
    lines = (
        f"HTTP/1.1 {status} {phrase}",
        "content-type: application/json",
        f"{HEADER}: {identity}",
        f"content-length: {len(body)}",
        "retry-after: 1",
        "connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + bytes(body)
