"""Where the log of `imlgcn serve` goes: requests to standard output, what failed to standard error.

An application in another server (`create_app`) leaves that to whoever runs it: the loggers are
``imlgcn.requests``, at level INFO, and ``imlgcn.serve``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from imlgcn.serve.errors import LOG
from imlgcn.serve.request_log import REQUESTS, Style, request_id

SERVER = logging.getLogger("uvicorn.error")


class _Lines(logging.Handler):
    """Writes lines to a stream; one that nobody reads any longer, or a full disk, costs lines."""

    def __init__(self, stream: int) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            os.write(self._stream, f"{self.format(record)}\n".encode(errors="replace"))


class _Failure(logging.Formatter):
    """A failure with the id of its request, as a line and its traceback, or as JSON."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self._form = style

    def format(self, record: logging.LogRecord) -> str:
        message = _printable(record.getMessage())
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._form == "text":
            return f"imlgcn: {message}" + (trace and f"\n{_printable(trace)}")
        values = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "id": request_id(),
            "message": message,
        }
        return json.dumps(values | ({"traceback": trace} if trace else {}))


def _printable(text: str) -> str:
    """Return a text without signs that a terminal obeys."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


@contextmanager
def logging_to_streams(style: Style) -> Iterator[None]:
    """Write the logs of a server to the standard streams while the block runs."""
    sys.stdout.flush()
    requests, failures = _Lines(1), _Lines(2)
    failures.setFormatter(_Failure(style))
    level = REQUESTS.level
    REQUESTS.setLevel(logging.INFO)
    pairs = [(REQUESTS, requests), (LOG, failures), (SERVER, failures)]
    before = [(logger, logger.propagate) for logger, _ in pairs]
    for logger, handler in pairs:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        REQUESTS.setLevel(level)
        for logger, handler in pairs:
            logger.removeHandler(handler)
        for logger, propagate in before:
            logger.propagate = propagate
