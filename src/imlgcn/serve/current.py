"""The service that answers now, and its successor when the tagger has changed.

A request keeps the service that it began with. A new one is opened beside it and takes over; the
old one is closed when the last of its requests has ended.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from imlgcn.errors import InputError
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.serve.service import Service
from imlgcn.tagger import Tagger

T = TypeVar("T")
KEPT = "the tagger cannot be opened, and the one before it stays in service"


class Current:
    """Holds the service as ``state.service`` and exchanges it.

    All methods belong to the event loop. ``loop`` is that loop once the service is open.
    """

    def __init__(self, state: State, service: Service, reopen: Callable[[], Tagger]) -> None:
        """Start with ``service``; ``reopen`` opens the tagger as it is now, in a thread."""
        self._state, self._reopen = state, reopen
        self._state.service = service
        self.loop: asyncio.AbstractEventLoop | None = None
        self._changing = asyncio.Lock()
        self._uses: Counter[Service] = Counter()
        self._ended = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def service(self) -> Service:
        """The service that new requests get."""
        service: Service = self._state.service
        return service

    async def open(self) -> None:
        """Start the service."""
        self.loop = asyncio.get_running_loop()
        self.service.open()
        # the page asks for it first, and the scores take a second to read
        await asyncio.to_thread(lambda: self.service.model)

    async def close(self) -> None:
        """Finish the accepted images of every service, then close them."""
        await asyncio.gather(*self._retiring, asyncio.to_thread(self.service.close))

    @contextmanager
    def use(self) -> Iterator[Service]:
        """Yield the service, which is not closed before the block ends."""
        service = self.service
        self._uses[service] += 1
        try:
            yield service
        finally:
            self._uses[service] -= 1
            self._ended.set()

    async def reload(self) -> Service:
        """Let the tagger as it is now take over; return its service.

        Raises:
            ApiError: 409, it cannot be opened; the one before it goes on.
        """
        async with self._changing:
            return await self._exchange()

    async def change(self, work: Callable[[], T], back: Callable[[], object] | None = None) -> T:
        """Run ``work``, which changes the tagger, in a thread; then let the tagger take over.

        If it cannot be opened after that, ``back`` undoes the change.

        Raises:
            ApiError: 503, another change is under way; 409, as in `reload`; those of ``work``.
        """
        if self._changing.locked():
            message = "the tagger is being changed; try again when that is done"
            raise ApiError(503, "busy", message, {"retry-after": "1"})
        async with self._changing:
            found = await asyncio.to_thread(work)
            try:
                await self._exchange()
            except ApiError:
                if back is not None:
                    await asyncio.to_thread(back)
                raise
            return found

    async def _exchange(self) -> Service:
        old = self.service
        try:
            self._state.service = await asyncio.to_thread(self._successor, old)
        except InputError as error:
            LOG.warning("%s: %s", KEPT, error)
            raise ApiError(409, "not_reloaded", f"{KEPT}: {public(error, old)}") from None
        except Exception as error:  # whatever a damaged folder leads to, the old one must go on
            LOG.error(KEPT, exc_info=error)
            message = f"{KEPT}; the server's log has the details"
            raise ApiError(409, "not_reloaded", message) from None
        retiring = asyncio.create_task(self._retire(old))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)
        return self.service

    def _successor(self, old: Service) -> Service:
        new = old.successor(self._reopen())
        try:
            new.open()
            _ = new.model
        except BaseException:
            new.close()
            raise
        return new

    async def _retire(self, service: Service) -> None:
        while self._uses[service]:
            self._ended.clear()
            await self._ended.wait()
        del self._uses[service]
        await asyncio.to_thread(service.close)


class InUse:
    """Middleware: a request has the service it began with, as ``request.state.service``."""

    def __init__(self, app: ASGIApp, current: Current) -> None:
        self.app, self.current = app, current

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with self.current.use() as service:
            scope["state"] = {**scope.get("state", {}), "service": service}
            await self.app(scope, receive, send)


def public(error: Exception, service: Service) -> str:
    """Return the message of an error without the path of the tagger on this machine."""
    given, text = service.tagger.path, str(error)
    for path in (given.resolve(), given, Path(os.path.abspath(given))):
        if os.sep in str(path):
            text = text.replace(str(path), given.resolve().name)
    return text
