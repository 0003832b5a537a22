"""Answers that are the same until the tagger changes: made once, compressed, with an ETag.

The labels of a large tagger are a megabyte of JSON; a browser that has them already asks with the
ETag and gets nothing again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

WORTH_PACKING = 8_192  # bytes


class Answer(NamedTuple):
    """JSON as bytes; ``packed`` is it in gzip, None where that is not worth it."""

    content: bytes
    packed: bytes | None
    etag: str

    @classmethod
    def of(cls, content: object) -> Answer:
        """Return the answer of JSON content; a value that is not finite is a bug."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        data = text.encode()
        packed = gzip.compress(data, 5, mtime=0) if len(data) >= WORTH_PACKING else None
        return cls(data, packed, f'"{hashlib.sha256(data).hexdigest()[:20]}"')

    def response(self, request: Request) -> Response:
        """Return it, packed where the client takes that, or 304 when the client has it already."""
        headers = {"etag": self.etag, "cache-control": "private, no-cache"}
        if self.packed is not None:
            headers["vary"] = "accept-encoding"
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        content = self.content
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"], content = "gzip", self.packed
        return Response(content, headers=headers, media_type="application/json")
