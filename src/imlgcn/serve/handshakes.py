"""Connections over https that count from their first moment, not from the keys they agree on."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from imlgcn.serve.connections import LimitedProtocol


class Handshake(SSLProtocol):
    """The encryption of one connection, ended when client and server do not agree in time.

    Until they do it is one of the server's connections itself; then its HTTP takes that place. The
    client could not read why it is refused, so it is only disconnected.
    """

    def __init__(self, http: LimitedProtocol, context: ssl.SSLContext) -> None:
        nobody: Any = None  # waits for the keys
        seconds: Any = http.limits.header_seconds  # may be a fraction
        super().__init__(
            http.loop, http, context, nobody, server_side=True, ssl_handshake_timeout=seconds
        )
        self._http = http
        http.handshake = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; beyond the limit another makes room, or the client is refused."""
        self._encrypted = cast(asyncio.Transport, transport)
        http, limits = self._http, self._http.limits
        connections = cast(set[object], http.connections)
        connections.add(self)
        now, beyond = http.loop.time(), len(connections) - limits.most
        if beyond > 0 and not limits.make_room(now) and beyond > limits.most:
            self.done()
            self._encrypted.abort()
        else:
            limits.waiting[self] = now
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self.done()
        super().connection_lost(exc)

    def done(self) -> None:
        """Leave the place to the HTTP, or to anyone else."""
        self._http.handshake = None  # else the two and their buffers await the garbage collector
        cast(set[object], self._http.connections).discard(self)
        self._http.limits.waiting.pop(self, None)

    def end(self, why: str) -> None:
        """Disconnect the client."""
        self.shutdown()

    def shutdown(self) -> None:
        """Disconnect the client, as the server does when it stops."""
        self.done()
        self._encrypted.abort()
