"""The addresses that change what is served: another tagger in its place, labels that change."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from imlgcn.serve import grow, label_table
from imlgcn.serve.accepting import RETRY_AFTER, accepted, refuse_unknown, service_of
from imlgcn.serve.batcher import QueueFullError
from imlgcn.serve.change_schema import (
    GROW_BODY,
    TABLE_BODY,
    AddedAnswer,
    ChangedAnswer,
    ReloadAnswer,
    TableAnswer,
    UndoAnswer,
)
from imlgcn.serve.current import Current
from imlgcn.serve.errors import ApiError, json_response
from imlgcn.serve.limits import LABEL, TEXT
from imlgcn.serve.schema import errors
from imlgcn.serve.service import Service
from imlgcn.serve.uploads import read_body

router = APIRouter(dependencies=[Depends(refuse_unknown)])


def _current_of(request: Request) -> Current:
    current: Current = request.app.state.current
    return current


@router.post(
    "/v1/reload",
    summary="Take the tagger over as it is now",
    response_model=None,
    responses={200: {"model": ReloadAnswer}, **errors(403, 409)},
)
async def reload(request: Request) -> Response:
    """Open the tagger folder or file anew, in place of the one in service; SIGHUP does the same.

    Only for programs on this machine, or with the server's token. Requests under way are answered
    by the tagger they began with. One that cannot be opened leaves the old one in service.
    """
    if not _is_local(request) and service_of(request).settings.token is None:
        message = "only a program on the server's own machine may ask for this, or with a token"
        raise ApiError(403, "not_local", message)
    return json_response(_facts(await _current_of(request).reload()))


@router.post(
    "/v1/labels/add",
    summary="Teach the tagger a label",
    response_model=None,
    responses={200: {"model": AddedAnswer}, **errors(400, 403, 409, 408, 413, 415, 422, 503, 504)},
    openapi_extra=GROW_BODY,
)
async def add(
    request: Request, name: Annotated[str, Query(description="of the new label", max_length=LABEL)]
) -> Response:
    """Learn a label from a few images that show it, and serve the tagger with it.

    Only if the server was started with `--grow`: it writes into the tagger folder, of the images
    their names and features.
    """
    service = _growing(request)
    async with accepted(request, service) as uploads:
        images = await asyncio.to_thread(grow.examples, uploads, service)
    return await _changed(request, partial(grow.add, service, name, images))


@router.post(
    "/v1/labels/remove",
    summary="Take labels out",
    response_model=None,
    responses={200: {"model": ChangedAnswer}, **errors(403, 409, 422, 503)},
)
async def remove(
    request: Request,
    label: Annotated[list[str], Query(description="these labels; may be given several times")],
) -> Response:
    """Remove labels: the tagger no longer gives them. The scores of all others stay.

    Only if the server was started with `--grow`.
    """
    return await _changed(request, partial(grow.remove, _growing(request), label))


@router.post(
    "/v1/labels/rename",
    summary="Give a label another name",
    response_model=None,
    responses={200: {"model": ChangedAnswer}, **errors(403, 409, 422, 503)},
)
async def rename(
    request: Request,
    label: Annotated[str, Query(description="as it is called now")],
    name: Annotated[str, Query(description="that it is to have", max_length=LABEL)],
) -> Response:
    """Rename a label; its scores stay. Only if the server was started with `--grow`."""
    return await _changed(request, partial(grow.rename, _growing(request), label, name))


@router.post(
    "/v1/labels/merge",
    summary="Make one label of several",
    response_model=None,
    responses={200: {"model": ChangedAnswer}, **errors(403, 409, 422, 503)},
)
async def merge(
    request: Request,
    label: Annotated[list[str], Query(description="two or more; given several times")],
    into: Annotated[
        str, Query(description="the name of the one; may be one of theirs", max_length=LABEL)
    ],
) -> Response:
    """Merge labels: the one is given where one of them would be, with a threshold of its own.

    Only if the server was started with `--grow`.
    """
    return await _changed(request, partial(grow.merge, _growing(request), label, into))


@router.post(
    "/v1/label-table",
    summary="What another label table would make of it",
    response_model=None,
    responses={200: {"model": TableAnswer}, **errors(403, 409, 408, 413, 422, 503)},
    openapi_extra=TABLE_BODY,
)
async def use_table(
    request: Request,
    keep: Annotated[
        bool, Query(description="write it into the tagger folder; only with --grow")
    ] = False,
) -> Response:
    """Check a label table and return `/v1/labels` and `/v1/thresholds` as they would be with it.

    Nothing changes for anybody else, unless `keep` is asked for.
    """
    service = _growing(request) if keep else service_of(request)
    try:
        with service.held.reserve() as take:
            data = await read_body(request, service.settings, take, TEXT)
    except QueueFullError as full:
        message = f"{full}; try again in a second"
        raise ApiError(503, "busy", message, {"retry-after": RETRY_AFTER}) from None
    table = await asyncio.to_thread(label_table.read, service, data)
    if keep:
        return await _changed(request, partial(label_table.keep, service, table))
    return json_response(await asyncio.to_thread(label_table.shown, service, table))


@router.post(
    "/v1/labels/undo",
    summary="Take the last change of labels back",
    response_model=None,
    responses={200: {"model": UndoAnswer}, **errors(403, 409, 503)},
)
async def undo(request: Request) -> Response:
    """Put the tagger back as it was before the last change, here or by `imlgcn label`.

    Only if the server was started with `--grow`.
    """
    service = _growing(request)
    current = _current_of(request)
    content = await current.change(partial(grow.take_back, service))
    return json_response({**content, **_facts(current.service)})


async def _changed(request: Request, work: Callable[[], dict[str, Any]]) -> Response:
    """Change the tagger and answer with what was done; one that cannot be served is taken back."""
    service, current = service_of(request), _current_of(request)
    content = await current.change(work, back=partial(grow.take_back, service))
    return json_response({**content, **_facts(current.service)})


def _growing(request: Request) -> Service:
    service = service_of(request)
    grow.check(service)
    return service


def _facts(service: Service) -> dict[str, Any]:
    return {"labels": len(service.tagger.labels), "sha256": service.tagger.info.sha256}


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
