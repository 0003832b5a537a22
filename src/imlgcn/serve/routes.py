"""What can be asked, and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from imlgcn.serve.batcher import ClosedError, QueueFullError
from imlgcn.serve.errors import ApiError, json_response
from imlgcn.serve.schema import IMAGES_BODY, Facts, LabelsAnswer, MapsAnswer, TagsAnswer, errors
from imlgcn.serve.service import Service
from imlgcn.serve.uploads import Upload, discard_body, read_uploads

RETRY_AFTER = "1"  # seconds; a full queue is worked off in about that

router = APIRouter()


def service_of(request: Request) -> Service:
    """Return the service of the app that a request came to."""
    service: Service = request.app.state.service
    return service


@router.post(
    "/v1/tags",
    summary="Tag one image or several",
    response_model=None,
    responses={200: {"model": TagsAnswer}, **errors(400, 413, 415, 422, 503, 504)},
    openapi_extra=IMAGES_BODY,
)
async def tags(
    request: Request,
    threshold: Annotated[
        str | None, Query(description="f1, 0.5, precision=0.9 or recall=0.9", examples=["f1"])
    ] = None,
    known: Annotated[
        str | None,
        Query(
            description='labels already known, for heads that can use them: {"sea":1,"cat":0}',
            examples=['{"sea":1}'],
        ),
    ] = None,
    with_all: Annotated[
        bool, Query(alias="all", description="also the probability of every label")
    ] = False,
) -> Response:
    """Return the labels at or above their thresholds.

    A request with one image is answered with that image's error when it cannot be used; among
    several, the error stands in the image's place and the others are tagged.
    """
    service = service_of(request)
    given = service.known_row(known)
    # another goal reads the validation scores and fits on them: not while everybody waits
    limits = await asyncio.to_thread(service.limits, threshold)
    async with taken_in(request, service) as uploads:
        results = await asyncio.gather(*(service.score(upload, given) for upload in uploads))
    if len(results) == 1 and isinstance(results[0], ApiError):
        raise results[0]
    images = [
        service.answer(upload, result, limits, with_all)
        for upload, result in zip(uploads, results, strict=True)
    ]
    return json_response({"images": images})


@router.post(
    "/v1/maps",
    summary="Where in an image each label comes from",
    response_model=None,
    responses={200: {"model": MapsAnswer}, **errors(400, 404, 413, 415, 422, 503, 504)},
    openapi_extra=IMAGES_BODY,
)
async def maps(
    request: Request,
    label: Annotated[
        list[str] | None, Query(description="only these labels; may be given several times")
    ] = None,
) -> Response:
    """Return how strongly each place of one image speaks for each label, from 0 to 1.

    What the numbers mean depends on the head, and `meaning` says it.
    """
    service = service_of(request)
    chosen = service.map_labels(label)
    async with taken_in(request, service) as uploads:
        if len(uploads) > 1:
            raise ApiError(422, "too_many_images", "maps are for one image at a time")
        content = await service.maps(uploads[0], chosen)
    return json_response(content)


@asynccontextmanager
async def taken_in(request: Request, service: Service) -> AsyncIterator[list[Upload]]:
    """Yield the images of a request, with room held for them and the time limit running.

    Room for the first is held before the body is read, and for the body's bytes as they come, so
    that a crowd of senders is turned away before it fills the memory.
    """
    settings, batcher = service.settings, service.batcher
    assert batcher is not None
    with ExitStack() as room:
        try:
            async with asyncio.timeout(settings.timeout):
                try:
                    room.enter_context(batcher.reserve(1))
                except QueueFullError:
                    await discard_body(request, settings)
                    raise
                take = room.enter_context(service.held.share())
                uploads = await read_uploads(request, settings, take)
                if len(uploads) > settings.queue:
                    message = f"this server takes {settings.queue} images at once; send fewer"
                    raise ApiError(422, "too_many_images", message)
                room.enter_context(batcher.reserve(len(uploads) - 1))
                yield uploads
        except QueueFullError as full:
            message = f"{str(full) or f'the queue of {settings.queue} images is full'}; "
            message += "try again in a second"
            raise ApiError(503, "busy", message, {"retry-after": RETRY_AFTER}) from None
        except ClosedError:
            message = "the server is stopping; try again when it is back"
            raise ApiError(503, "stopping", message, {"retry-after": RETRY_AFTER}) from None
        except TimeoutError:
            message = f"not done in {settings.timeout:g} seconds; send fewer images or try again"
            raise ApiError(504, "too_slow", message) from None


@router.get(
    "/v1/labels",
    summary="The labels in their order",
    response_model=None,
    responses={200: {"model": LabelsAnswer}},
)
async def labels(request: Request) -> Response:
    """Return every label with its threshold."""
    return json_response(service_of(request).labels)


@router.get(
    "/v1/thresholds",
    summary="What other thresholds would cost",
    response_model=None,
    responses={200: {"model": Facts}, **errors(404)},
)
async def thresholds(request: Request) -> Response:
    """Return thresholds from finding more to being surer, and what each comes to.

    They are fitted on validation images and judged on test images, where there are scores of some.
    """
    return _if_there(service_of(request).tradeoff, "validation scores")


@router.get(
    "/v1/graph",
    summary="Which labels go together",
    response_model=None,
    responses={200: {"model": Facts}, **errors(404)},
)
async def graph(request: Request) -> Response:
    """Return P(target given source) as counted in the training data, and places for a drawing."""
    return _if_there(service_of(request).graph, "label graph")


@router.get(
    "/v1/model",
    summary="What the tagger is and can",
    response_model=None,
    responses={200: {"model": Facts}},
)
async def model(request: Request) -> Response:
    """Return parts, measured quality, versions, abilities and limits."""
    return json_response(service_of(request).model)


@router.get("/healthz", summary="Whether the process lives", response_model=None)
async def health(request: Request) -> Response:
    """Answer 200 as long as the server answers at all."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz", summary="Whether it takes images", response_model=None, responses=errors(503)
)
async def ready(request: Request) -> Response:
    """Answer 200 when an image sent now would be taken in."""
    service = service_of(request)
    assert service.batcher is not None
    try:
        with service.batcher.reserve(1):
            return json_response({"status": "ready"})
    except QueueFullError:
        raise ApiError(503, "busy", "the queue is full", {"retry-after": RETRY_AFTER}) from None


@router.get(
    "/metrics",
    summary="Counts for Prometheus",
    response_model=None,
    response_class=PlainTextResponse,
)
async def metrics(request: Request) -> Response:
    """Return what was counted since the start."""
    text = service_of(request).monitor.text()
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _if_there(content: dict[str, Any] | None, what: str) -> Response:
    if content is None:
        message = f"this tagger has no {what}: it was exported or imported, or its folder lacks it"
        raise ApiError(404, "not_there", message)
    return json_response(content)
