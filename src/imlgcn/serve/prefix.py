"""A server below a path of its name, such as https://example.org/tags, behind a proxy.

A proxy may hand the path on as it came, or without the prefix: both are answered.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from imlgcn.errors import InputError

VALID = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")


def checked_prefix(root_path: str, addresses: Collection[str]) -> str:
    """Return the prefix without a slash at its end.

    Raises:
        InputError: it is not a path, or is the start of one of the server's own ``addresses``.
    """
    plain = root_path.rstrip("/")
    if len(plain) > 200 or not VALID.fullmatch(plain):
        raise InputError(f"root_path= takes a path such as /tags; got {root_path!r}")
    if plain and any(f"{address}/".startswith(f"{plain}/") for address in addresses):
        raise InputError(
            f"root_path={plain!r} is an address of the server itself; take another, such as /tags"
        )
    return plain


def own_path(scope: Scope) -> str:
    """Return the path of a request without the prefix: an address of this server."""
    prefix, path = scope.get("root_path", ""), scope["path"]
    is_below = path == prefix or path.startswith(f"{prefix}/")
    return str(path.removeprefix(prefix) if is_below else path)


class Prefix:
    """Middleware: tells the application the prefix, whether or not the proxy has left it out."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app, self.root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            path = scope["path"]
            if path == self.root_path:
                path += "/"
            elif not path.startswith(f"{self.root_path}/"):
                path = self.root_path + path
            scope = {**scope, "root_path": self.root_path, "path": path}
        await self.app(scope, receive, send)
