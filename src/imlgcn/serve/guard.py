"""Refuse requests of other sites' pages, and restrict what the browser allows our own page.

A page on the web can make a browser send requests to this machine, or give its own name this
machine's address (DNS rebinding). So a request must name this server as its host, and one that a
page sent must come from this server's own page. There is no CORS header anywhere.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imlgcn.serve.errors import ApiError, internal
from imlgcn.serve.monitor import Monitor
from imlgcn.serve.token import Access

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Middleware: refuses foreign requests, sets the headers, counts requests."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: Collection[str],
        monitor: Monitor,
        access: Access,
        trusted: Collection[str] = (),
    ) -> None:
        """Answer to ``names``; behind a proxy, ``trusted`` ones may also be the origin.

        ``access`` says who needs a token.
        """
        self.app, self.monitor, self.access = app, monitor, access
        self.names = {name.lower() for name in names}
        self.trusted = {name.lower() for name in trusted}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, answered = time.perf_counter(), False

        async def send_guarded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                self._count(scope, message["status"], time.perf_counter() - started)
            await send(message)

        refusal = self._refuse(Headers(scope=scope), scope)
        try:
            await (refusal.response() if refusal else self.app)(scope, receive, send_guarded)
        except Exception as error:
            if answered:  # a part was sent: the connection can only be closed
                raise
            await internal(scope, error).response()(scope, receive, send_guarded)

    def _refuse(self, headers: Headers, scope: Scope) -> ApiError | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return ApiError(
                403,
                "foreign_host",
                f"this server does not answer to the name {host!r}; start it with "
                "that name as an allowed host if it should",
            )
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        visit = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        page = (origin or "").partition("://")[2].lower()  # of the page that asks
        ours = origin is None or page == host.lower() or _name(page) in self.trusted
        if not ours or (site not in ("none", "same-origin") and not visit):
            return ApiError(403, "foreign_origin", "pages of other sites may not use this server")
        return self.access.refusal(headers, scope)

    def _is_ours(self, host: str) -> bool:
        """Return whether a Host header is an address or a name of ours.

        Any address is accepted: an attacker who rebinds a name still sends the name.
        """
        name = _name(host)
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(
            route, "path", "other"
        )  # never the path as requested: its values are unbounded
        self.monitor.requests.labels(path, str(status)).inc()
        if path == "/v1/tags":
            self.monitor.seconds.observe(seconds)


def _name(host: str) -> str:
    """Return a host without its port, an IPv6 address without its brackets."""
    name = host.lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
