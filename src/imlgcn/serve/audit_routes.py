"""The addresses for doubtful labels: the page of an audit, and its answers."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from imlgcn.serve.accepting import RETRY_AFTER, refuse_unknown, service_of
from imlgcn.serve.audit import ANSWERS, Review
from imlgcn.serve.batcher import QueueFullError
from imlgcn.serve.change_schema import AuditAnswer
from imlgcn.serve.errors import ApiError, json_response
from imlgcn.serve.limits import TEXT
from imlgcn.serve.schema import errors
from imlgcn.serve.uploads import read_body

router = APIRouter(dependencies=[Depends(refuse_unknown)])
BODY = {
    "requestBody": {
        "required": True,
        "description": "A CSV of image, label and answer (yes, no, or empty).",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


def _review(request: Request) -> Review:
    review: Review | None = request.app.state.review
    if review is None:
        message = "this server reviews no data; start it with --audit DATA if it should"
        raise ApiError(404, "no_audit", message)
    return review


@router.get("/audit", include_in_schema=False)
async def page(request: Request) -> Response:
    """Return the page that asks about doubtful labels."""
    review = _review(request)
    return HTMLResponse(review.page, headers={"content-security-policy": review.policy})


@router.post(
    ANSWERS,
    summary="Save corrected data",
    response_model=None,
    responses={200: {"model": AuditAnswer}, **errors(404, 408, 413, 422, 503)},
    openapi_extra=BODY,
)
async def answers(request: Request) -> Response:
    """Write the audited data with answers to a new CSV beside them; the data stay as they are.

    Only if the server was started with `--audit`.
    """
    review, service = _review(request), service_of(request)
    try:
        with service.held.reserve() as take:
            given = await read_body(request, service.settings, take, TEXT)
            return json_response(await asyncio.to_thread(review.save, given))
    except QueueFullError as full:
        message = f"{full}; try again in a second"
        raise ApiError(503, "busy", message, {"retry-after": RETRY_AFTER}) from None
