"""The page's files, read once from the package; the colours are those of the report."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from imlgcn.palette import DARK, LIGHT, css_variables

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGES = {"/": "index.html", "/docs": "docs.html"}
OWN_LINK = re.compile(rb"(\b(?:href|src)=\")/")


class Asset(NamedTuple):
    """One file."""

    content: bytes
    kind: str
    etag: str

    def response(self, request: Request) -> Response:
        """Return the file, or 304 when the browser has it already."""
        headers = {"etag": self.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.kind)


def load_assets(prefix: str = "") -> dict[str, Asset]:
    """Return every file by its URL path; the pages' own links get the ``prefix``."""
    folder = files("imlgcn.serve") / "static"
    content = {
        f"/static/{file.name}": file.read_bytes()
        for file in folder.iterdir()
        if _suffix(file.name) in KINDS
    }
    content["/static/colours.css"] = _colours().encode()
    for address, name in PAGES.items():
        page = content.pop(f"/static/{name}")
        content[address] = OWN_LINK.sub(rf"\1{prefix}/".encode(), page)
    return {address: _asset(address, data) for address, data in content.items()}


def _asset(address: str, data: bytes) -> Asset:
    kind = KINDS[".html" if address in PAGES else _suffix(address)]
    return Asset(data, kind, f'"{hashlib.sha256(data).hexdigest()[:20]}"')


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]


def _colours() -> str:
    dark = f":root {{ {css_variables(DARK)} }}"
    return f":root {{ {css_variables(LIGHT)} }}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"
