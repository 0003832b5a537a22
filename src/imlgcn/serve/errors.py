"""One JSON shape for every error: ``{"error": {"code", "message"}}``.

A message is a sentence for the user. It never contains a path of this machine or a traceback; those
go to the server's log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from imlgcn.config import InputError

LOG = logging.getLogger("imlgcn.serve")


class ApiError(Exception):
    """An error response: HTTP status, a code for programs, a sentence for people."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """Return the content of ``error``."""
        return {"code": self.code, "message": self.message}

    def response(self) -> Response:
        """Return the whole response."""
        return json_response({"error": self.body()}, self.status, self.headers)


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return ``content`` as JSON; a value that is not finite is a bug."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text, status, dict(headers or {}), media_type="application/json")


def internal(scope: Scope, error: Exception) -> ApiError:
    """Log a bug and return the response for it."""
    LOG.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
    return ApiError(500, "internal", "an internal error; the server's log has the details")


def install(app: FastAPI) -> None:
    """Answer every error in the one shape; `Guard` handles bugs."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error.response()

    async def of_input(request: Request, error: Exception) -> Response:
        return ApiError(422, "bad_parameter", str(error)).response()

    async def of_parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = first["loc"][-1]
        return ApiError(422, "bad_parameter", f"parameter {where!r}: {first['msg']}").response()

    async def of_routing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path, method = request.url.path, request.method
        known = {
            404: ("not_found", f"there is nothing at {path}; /docs lists the addresses"),
            405: (
                "method_not_allowed",
                f"{path} does not support {method}; /docs lists what it does",
            ),
        }
        code, message = known.get(error.status_code, ("bad_request", str(error.detail)))
        return ApiError(error.status_code, code, message, error.headers).response()

    async def of_leaving(request: Request, error: Exception) -> Response:
        return ApiError(
            400, "cut_off", "the client disconnected before the request was complete"
        ).response()

    app.add_exception_handler(ApiError, ours)
    app.add_exception_handler(InputError, of_input)
    app.add_exception_handler(RequestValidationError, of_parameters)
    app.add_exception_handler(HTTPException, of_routing)
    app.add_exception_handler(ClientDisconnect, of_leaving)
