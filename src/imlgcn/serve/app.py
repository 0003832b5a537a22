"""The web application around a tagger."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.routing import Route

from imlgcn.data.decode_pool import DecodePool
from imlgcn.engines.base import cores
from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.serve import audit_routes, errors, grow_routes, routes, suggest_routes
from imlgcn.serve.assets import Asset, load_assets
from imlgcn.serve.audit import ANSWERS, Review
from imlgcn.serve.current import Current, InUse
from imlgcn.serve.guard import Guard
from imlgcn.serve.label_studio import routes as label_studio_routes
from imlgcn.serve.label_studio.studio import Studio
from imlgcn.serve.prefix import Prefix, checked_prefix
from imlgcn.serve.request_log import RequestLog
from imlgcn.serve.service import Service
from imlgcn.serve.settings import ServeSettings
from imlgcn.serve.token import Access
from imlgcn.tagger import Tagger

ROUTERS = (
    routes.router,
    suggest_routes.router,
    audit_routes.router,
    grow_routes.router,
    label_studio_routes.router,
)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def create_app(
    tagger: Tagger,
    settings: ServeSettings | None = None,
    *,
    reopen: Callable[[], Tagger] | None = None,
    progress: Progress = SILENT,
) -> FastAPI:
    """Return an ASGI application that tags images with ``tagger``.

    The engine starts and stops with the application; accepted images are answered first. ``reopen``
    opens the tagger anew when it has changed; None: as `Tagger.load` does without options.
    ``progress`` is told of the audit, where one is asked for.

    Raises:
        InputError: ``settings.grow`` with an exported file, whose labels are fixed, data that
            cannot be audited, a ``settings.root_path`` that is not a path for it, or an address of
            Label Studio that is none.
    """
    settings = settings or ServeSettings()
    if settings.grow and tagger.path.is_file():
        raise InputError(
            f"grow=True changes a tagger folder, and {tagger.path} is an exported file: serve the "
            "folder it was exported from"
        )
    prefix = checked_prefix(settings.root_path, _addresses())
    send_to = prefix + ANSWERS
    review = None
    if settings.audit is not None:
        review = Review(settings.audit, sends_to=send_to, progress=progress)
    studio = Studio(tagger, settings) if settings.label_studio else None
    decoders = DecodePool(cores(), seconds=settings.decode_seconds, memory=settings.decode_memory)
    service = Service(tagger, settings, decoders)

    app = FastAPI(
        title="imlgcn",
        summary=f"Tags images with {plural(len(tagger.labels), 'label')}.",
        version=version("imlgcn"),
        docs_url=None,  # FastAPI's own page loads its scripts from another site
        redoc_url=None,
        lifespan=lambda app: _running(app, decoders),
    )
    current = Current(app.state, service, reopen or (lambda: Tagger.load(tagger.path)))
    app.state.current, app.state.review = current, review
    app.state.label_studio = studio
    for router in ROUTERS:
        app.include_router(router)
    assets = load_assets(prefix)
    for address, asset in assets.items():
        app.add_route(address, _serve(asset), include_in_schema=False)
    errors.install(app)
    app.add_middleware(InUse, current=current)
    app.add_middleware(
        Guard,
        names=_names(settings),
        monitor=service.monitor,
        access=Access(settings.token, assets),
        trusted=settings.allow_hosts,
    )
    if prefix:
        app.add_middleware(Prefix, root_path=prefix)
    app.add_middleware(RequestLog, style=settings.log)
    return app


@asynccontextmanager
async def _running(app: FastAPI, decoders: DecodePool) -> AsyncIterator[None]:
    current: Current = app.state.current
    studio: Studio | None = app.state.label_studio
    decoders.open()
    try:
        await current.open()
        if studio is not None:
            studio.open(current)
        yield
    finally:
        if studio is not None:
            await studio.close()
        decoders.close()  # nobody waits for what is still being decoded
    await current.close()


def _serve(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        return asset.response(request)

    return respond


def _addresses() -> set[str]:
    ours = {route.path for router in ROUTERS for route in router.routes if isinstance(route, Route)}
    return {*ours, *load_assets(), "/openapi.json"}


def _names(settings: ServeSettings) -> set[str]:
    """Return the host names this server answers to, besides any address."""
    names = {"localhost", settings.host, *settings.allow_hosts}
    if settings.host not in LOOPBACK:
        names.add(socket.gethostname())
    return names
