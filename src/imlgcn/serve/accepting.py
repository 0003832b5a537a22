"""From a request to its images: known parameters, room, limits and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from fastapi import Request
from fastapi.routing import APIRoute

from imlgcn.errors import unknown_name
from imlgcn.serve.batcher import ClosedError, QueueFullError
from imlgcn.serve.errors import ApiError
from imlgcn.serve.limits import check_query
from imlgcn.serve.request_log import count_images
from imlgcn.serve.service import Service
from imlgcn.serve.settings import ServeSettings
from imlgcn.serve.uploads import Upload, read_uploads

RETRY_AFTER = "1"  # seconds; a full queue is worked off in about that


def service_of(request: Request) -> Service:
    """Return the service that a request began with."""
    service: Service = request.state.service
    return service


def refuse_unknown(request: Request) -> None:
    """Refuse a parameter that the address does not take: a misspelt one would do nothing.

    Raises:
        ApiError: 422, with the parameters that it takes.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not route.path.startswith("/v1/"):
        return  # what watches a server may add its own
    check_query(request.scope["query_string"])
    known = [parameter.alias for parameter in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            message = (
                f"{unknown_name('parameter', name, known)}"
                if known
                else f"unknown parameter {name!r}; {route.path} takes none"
            )
            raise ApiError(422, "unknown_parameter", message)


@asynccontextmanager
async def accepted(request: Request, service: Service) -> AsyncIterator[list[Upload]]:
    """Yield the images of a request, with room reserved for them and the time limit running.

    Room for a body's bytes is reserved as they arrive, so that many clients at once are refused
    before they fill the memory; room in the queue when all have, so that slow ones take none.
    """
    settings, batcher = service.settings, service.batcher
    assert batcher is not None
    async with in_time(settings):
        with ExitStack() as room:
            take = room.enter_context(service.held.reserve())
            uploads = await read_uploads(request, settings, take)
            count_images(len(uploads))
            if len(uploads) > settings.queue:
                message = f"this server accepts {settings.queue} images at once; send fewer"
                raise ApiError(422, "too_many_images", message)
            room.enter_context(batcher.reserve(len(uploads)))
            yield uploads


@asynccontextmanager
async def in_time(settings: ServeSettings) -> AsyncIterator[None]:
    """Run the block with the time limit of a request, and say where there is no room.

    Raises:
        ApiError: 503, the server is busy or stopping; 504, the time is over.
    """
    try:
        async with asyncio.timeout(settings.timeout):
            yield
    except QueueFullError as full:
        message = f"{str(full) or f'the queue of {settings.queue} images is full'}; "
        message += "try again in a second"
        raise ApiError(503, "busy", message, {"retry-after": RETRY_AFTER}) from None
    except ClosedError:
        message = "the server is stopping; try again when it is back"
        raise ApiError(503, "stopping", message, {"retry-after": RETRY_AFTER}) from None
    except TimeoutError:
        message = f"not finished in {settings.timeout:g} seconds; send fewer images or try again"
        raise ApiError(504, "too_slow", message) from None
