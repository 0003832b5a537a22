"""The addresses of the API: requests and responses."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import PlainTextResponse, Response

from imlgcn.labels.label_cells import table_text
from imlgcn.serve import knowledge
from imlgcn.serve.accepting import RETRY_AFTER, accepted, refuse_unknown, service_of
from imlgcn.serve.batcher import QueueFullError
from imlgcn.serve.errors import ApiError, json_response
from imlgcn.serve.known import known_row
from imlgcn.serve.limits import COUNT, POINT
from imlgcn.serve.schema import (
    IMAGES_BODY,
    Facts,
    LabelsAnswer,
    MapsAnswer,
    SupportAnswer,
    TagsAnswer,
    errors,
)
from imlgcn.tagger.choice import TagBounds
from imlgcn.tagger.folder import LABEL_TABLE

router = APIRouter(dependencies=[Depends(refuse_unknown)])


@router.post(
    "/v1/tags",
    summary="Tag one image or several",
    response_model=None,
    responses={200: {"model": TagsAnswer}, **errors(400, 408, 413, 415, 422, 503, 504)},
    openapi_extra=IMAGES_BODY,
)
async def tags(
    request: Request,
    threshold: Annotated[
        str | None,
        Query(
            description="f1, 0.5, precision=0.9 or recall=0.9", examples=["f1"], max_length=POINT
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        Query(
            description="the most probable labels, so many, whatever their thresholds",
            ge=1,
            le=COUNT,
        ),
    ] = None,
    at_least: Annotated[
        int | None,
        Query(description="fill up with the most probable labels to so many tags", ge=0, le=COUNT),
    ] = None,
    at_most: Annotated[
        int | None, Query(description="so many of the tags, the most probable", ge=1, le=COUNT)
    ] = None,
    known: Annotated[
        str | None,
        Query(
            description='labels already known, 1 present or 0 absent: {"sea":1,"cat":0}',
            examples=['{"sea":1}'],
        ),
    ] = None,
    with_all: Annotated[
        bool, Query(alias="all", description="also the probability of every label")
    ] = False,
    with_logits: Annotated[
        bool,
        Query(alias="logits", description="also the logit of every label, to update them yourself"),
    ] = False,
) -> Response:
    """Return the labels at or above their thresholds.

    A single image that cannot be used makes the response an error; among several, the error is
    the result of that image and the others are tagged.
    """
    service = service_of(request)
    given = known_row(service.tagger, known)
    bounds = TagBounds(top_k=top_k, at_least=at_least, at_most=at_most)
    # fitting to another operating point takes time: not in the event loop
    thresholds = await asyncio.to_thread(service.thresholds, threshold)
    async with accepted(request, service) as uploads:
        results = await asyncio.gather(*(service.score(upload, given) for upload in uploads))
    if len(results) == 1 and isinstance(results[0], ApiError):
        raise results[0]
    images = [
        service.answer(
            *(upload, result, thresholds, with_all),
            bounds=bounds,
            given=given,
            with_logits=with_logits,
        )
        for upload, result in zip(uploads, results, strict=True)
    ]
    return json_response({"images": images})


@router.post(
    "/v1/maps",
    summary="Where in an image each label comes from",
    response_model=None,
    responses={200: {"model": MapsAnswer}, **errors(400, 404, 408, 413, 415, 422, 503, 504)},
    openapi_extra=IMAGES_BODY,
)
async def maps(
    request: Request,
    label: Annotated[
        list[str] | None, Query(description="only these labels; may be given several times")
    ] = None,
) -> Response:
    """Return the activation map of each label for one image, from 0 to 1.

    What the numbers mean depends on the head; `meaning` explains it.
    """
    service = service_of(request)
    chosen = service.map_labels(label)
    async with accepted(request, service) as uploads:
        if len(uploads) > 1:
            raise ApiError(422, "too_many_images", "maps are for one image at a time")
        content = await service.maps(uploads[0], chosen)
    return json_response(content)


@router.post(
    "/v1/support",
    summary="Which training images each label comes from",
    response_model=None,
    responses={200: {"model": SupportAnswer}, **errors(400, 404, 408, 413, 415, 422, 503, 504)},
    openapi_extra=IMAGES_BODY,
)
async def support(
    request: Request,
    label: Annotated[list[str], Query(description="these labels; may be given several times")],
) -> Response:
    """Return the training images that speak for and against labels, for one image.

    Only of taggers whose head scores by its training images and whose folder keeps their names.
    """
    service = service_of(request)
    service.support.check()
    chosen = service.label_indices(label)
    async with accepted(request, service) as uploads:
        if len(uploads) > 1:
            raise ApiError(422, "too_many_images", "this is for one image at a time")
        content = await service.supported(uploads[0], chosen)
    return json_response(content)


@router.get(
    "/v1/labels",
    summary="The labels in their order",
    response_model=None,
    responses={200: {"model": LabelsAnswer}},
)
async def labels(request: Request) -> Response:
    """Return every label with its threshold."""
    return await _fact(request, "labels", "labels")


@router.get(
    "/v1/label-table",
    summary="The label table as a CSV",
    response_model=None,
    response_class=PlainTextResponse,
)
async def label_table(request: Request) -> Response:
    """Return names, parents, thresholds and what is hidden: the file that `--label-table` takes."""
    text = table_text(service_of(request).tagger.label_table.rows)
    headers = {"content-disposition": f'attachment; filename="{LABEL_TABLE}"'}
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


@router.get(
    "/v1/thresholds",
    summary="The precision-recall trade-off",
    response_model=None,
    responses={200: {"model": Facts}, **errors(404)},
)
async def thresholds(request: Request) -> Response:
    """Return thresholds from high recall to high precision, and what each reaches.

    They are fitted on held-out images and evaluated on test images, where there are scores.
    """
    return await _fact(request, "tradeoff", "held-out scores")


@router.get(
    "/v1/known",
    summary="What known labels say about the others",
    response_model=None,
    responses={200: {"model": Facts}, **errors(404)},
)
async def known_labels(request: Request) -> Response:
    """Return counts of label pairs and the constants of the update, as the page uses them.

    `counts` are int32 numbers, compressed (zlib) and in base64: images that show both labels of
    each pair, in the order of /v1/labels, row by row. Of more than 1,000 labels they are not given
    out: send what is known with the image, as `known`.
    """
    return await _fact(request, "known", "counts of label pairs")


@router.get(
    "/v1/graph",
    summary="Which labels occur together",
    response_model=None,
    responses={200: {"model": Facts}, **errors(404)},
)
async def graph(
    request: Request,
    label: Annotated[
        str | None, Query(description="only this label and those that are most often with it")
    ] = None,
) -> Response:
    """Return P(target given source) counted on the training images, and positions for a drawing.

    Of more than 1,000 labels only the strongest edges and those that are drawn are listed;
    `num_edges` and `num_isolated` count all.
    """
    if label is None:
        return await _fact(request, "graph", "label graph")
    service = service_of(request)
    (index,) = service.label_indices([label])
    around = await asyncio.to_thread(knowledge.graph_around, service.tagger, index)
    return _or_404(around, "label graph")


@router.get(
    "/v1/model",
    summary="The tagger and what it can do",
    response_model=None,
    responses={200: {"model": Facts}},
)
async def model(request: Request) -> Response:
    """Return backbone and head, metrics, versions, capabilities and limits."""
    return json_response(service_of(request).model)


@router.get("/healthz", summary="Whether the process is alive", response_model=None)
async def health(request: Request) -> Response:
    """Answer 200 as long as the server answers at all."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz", summary="Whether it accepts images", response_model=None, responses=errors(503)
)
async def ready(request: Request) -> Response:
    """Answer 200 when an image sent now would be accepted."""
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


async def _fact(request: Request, name: str, what: str) -> Response:
    found = await asyncio.to_thread(service_of(request).fact, name)
    return _or_404(None, what) if found is None else found.response(request)


def _or_404(content: dict[str, Any] | None, what: str) -> Response:
    if content is None:
        message = f"this tagger has no {what}: it was exported or imported, or its folder lacks it"
        raise ApiError(404, "not_there", message)
    return json_response(content)
