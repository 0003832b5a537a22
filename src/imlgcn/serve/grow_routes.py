"""The addresses that change what is served: another tagger in its place, a label more or less."""

from __future__ import annotations

import asyncio
import ipaddress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from imlgcn.serve import grow
from imlgcn.serve.accepting import accepted, refuse_unknown, service_of
from imlgcn.serve.current import Current
from imlgcn.serve.errors import ApiError, json_response
from imlgcn.serve.schema import GROW_BODY, AddedAnswer, ReloadAnswer, UndoAnswer, errors
from imlgcn.serve.service import Service

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

    Only for programs on this machine. Requests under way are answered by the tagger they began
    with. One that cannot be opened leaves the old one in service.
    """
    if not _is_local(request):
        message = "only a program on the server's own machine may ask for this"
        raise ApiError(403, "not_local", message)
    return json_response(_facts(await _current_of(request).reload()))


@router.post(
    "/v1/labels/add",
    summary="Teach the tagger a label",
    response_model=None,
    responses={200: {"model": AddedAnswer}, **errors(400, 403, 409, 413, 415, 422, 503, 504)},
    openapi_extra=GROW_BODY,
)
async def add(
    request: Request, name: Annotated[str, Query(description="of the new label")]
) -> Response:
    """Learn a label from a few images that show it, and serve the tagger with it.

    Only if the server was started with `--grow`: it writes into the tagger folder. The images are
    deleted when the label is learnt; what the folder keeps are their names and features.
    """
    service = service_of(request)
    grow.check(service)
    with TemporaryDirectory(prefix="imlgcn-") as folder:
        async with accepted(request, service) as uploads:
            images = await asyncio.to_thread(grow.store, uploads, Path(folder), service)
        current = _current_of(request)
        content = await current.change(partial(grow.add, service, name, images))
    return json_response({**content, **_facts(current.service)})


@router.post(
    "/v1/labels/undo",
    summary="Take the last change of labels back",
    response_model=None,
    responses={200: {"model": UndoAnswer}, **errors(403, 409, 503)},
)
async def undo(request: Request) -> Response:
    """Put the tagger back as it was before the last label was added, here or by `imlgcn label`.

    Only if the server was started with `--grow`.
    """
    service = service_of(request)
    grow.check(service)
    current = _current_of(request)
    content = await current.change(partial(grow.take_back, service))
    return json_response({**content, **_facts(current.service)})


def _facts(service: Service) -> dict[str, Any]:
    return {"labels": len(service.tagger.labels), "sha256": service.tagger.info.sha256}


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
