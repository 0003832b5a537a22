"""The addresses for which images to label next."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from imlgcn.serve.accepting import RETRY_AFTER, accepted, refuse_unknown, service_of
from imlgcn.serve.batcher import QueueFullError
from imlgcn.serve.errors import ApiError, json_response
from imlgcn.serve.limits import checked_json
from imlgcn.serve.schema import IMAGES_BODY, errors
from imlgcn.serve.service import Service
from imlgcn.serve.suggest_schema import SuggestAnswer, VectorsAnswer, Wanted
from imlgcn.serve.uploads import read_body

router = APIRouter(dependencies=[Depends(refuse_unknown)])
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Wanted.model_json_schema()}},
    }
}


@router.post(
    "/v1/vectors",
    summary="What suggestions need of each image",
    response_model=None,
    responses={200: {"model": VectorsAnswer}, **errors(400, 404, 408, 413, 415, 422, 503, 504)},
    openapi_extra=IMAGES_BODY,
)
async def vectors(request: Request) -> Response:
    """Return a text for each image, to be given to /v1/suggest. The server keeps nothing.

    An image that cannot be used has an error in its place.
    """
    service = service_of(request)
    service.suggester.check()
    async with accepted(request, service) as uploads:
        found = await asyncio.gather(*(service.vector(upload) for upload in uploads))
    images = [{"name": upload.name, **each} for upload, each in zip(uploads, found, strict=True)]
    return json_response({"images": images})


@router.post(
    "/v1/suggest",
    summary="Which images to label next",
    response_model=None,
    responses={200: {"model": SuggestAnswer}, **errors(400, 404, 408, 413, 422, 503)},
    openapi_extra=BODY,
)
async def suggest(request: Request) -> Response:
    """Choose the images whose labels would teach the tagger most about the others, best first.

    With every image of a folder, in the order of their paths, it is `imlgcn suggest`.
    """
    service = service_of(request)
    service.suggester.check()
    wanted = await _wanted(request, service)
    return json_response(await asyncio.to_thread(service.suggester.choose, wanted))


async def _wanted(request: Request, service: Service) -> Wanted:
    try:
        with service.held.reserve() as take:
            body = await read_body(request, service.settings, take)
            return await asyncio.to_thread(lambda: Wanted.model_validate_json(checked_json(body)))
    except QueueFullError as full:
        message = f"{full}; try again in a second"
        raise ApiError(503, "busy", message, {"retry-after": RETRY_AFTER}) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise ApiError(422, "bad_body", f"{where}: {first['msg']}") from None
