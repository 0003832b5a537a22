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

from imlgcn.errors import InputError
from imlgcn.numbers import shortened
from imlgcn.serve.request_log import METHOD_MOST, escaped, request_id

MOST = 2000  # characters of a message, whatever it repeats of a request
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
        return {"code": self.code, "message": shortened(self.message, MOST)}

    def response(self, identity: str | None = None) -> Response:
        """Return the whole response; ``identity`` is that of a request that is not under way."""
        body = {**self.body(), "request_id": identity or request_id()}
        return json_response({"error": body}, self.status, self.headers)


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return ``content`` as JSON; a value that is not finite is a bug."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text, status, dict(headers or {}), media_type="application/json")


def internal(scope: Scope, error: Exception) -> ApiError:
    """Log a bug and return the response for it."""
    what = f"{escaped(scope['method'], METHOD_MOST)} {escaped(scope['path'])}"
    LOG.error("request %s: %s failed", request_id(), what, exc_info=error)
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
        path, method = escaped(request.scope["path"]), escaped(request.method, METHOD_MOST)
        docs = f"{request.scope.get('root_path', '')}/docs"
        known = {
            404: ("not_found", f"there is nothing at {path}; {docs} lists the addresses"),
            405: (
                "method_not_allowed",
                f"{path} does not support {method}; {docs} lists what it does",
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
