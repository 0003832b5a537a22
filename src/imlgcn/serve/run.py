"""Run the server in this process until a signal stops it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.serve.app import create_app
from imlgcn.serve.current import Current
from imlgcn.serve.errors import ApiError
from imlgcn.serve.logs import logging_to_streams
from imlgcn.serve.settings import ServeSettings
from imlgcn.serve.tls import check_pair
from imlgcn.serve.token import HOW, VARIABLE
from imlgcn.stopping import Stopped
from imlgcn.tagger import Tagger

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from imlgcn.serve.connections import LimitedServer

GRACE = 5  # seconds beyond the time limit of a request


def run_server(
    tagger: Tagger,
    settings: ServeSettings | None = None,
    *,
    open_page: bool = False,
    reopen: Callable[[], Tagger] | None = None,
    progress: Progress = SILENT,
) -> None:
    """Answer requests until SIGTERM or SIGINT; images accepted by then are answered first.

    On SIGHUP the tagger is opened anew and takes over, as ``reopen`` in `create_app` says.

    Raises:
        InputError: the address or the certificate cannot be used, or the tagger cannot be run.
        Stopped: a signal came before the server answered requests.
    """
    from prometheus_client import disable_created_metrics

    # the times when each count began would be as many series again
    disable_created_metrics()  # type: ignore[no-untyped-call]

    settings = settings or ServeSettings()
    check_pair(settings.cert, settings.key)
    with logging_to_streams(settings.log), _listen(settings) as listening:
        _check_token(listening, settings)
        app = create_app(tagger, settings, reopen=reopen, progress=progress)
        server = make_server(app, settings)
        engine = tagger.engine.name
        asked = _stop_by_signals(server)
        address = _address(listening, settings)
        name = tagger.path.resolve().name
        progress.say(
            f"{name}, {plural(len(tagger.labels), 'label')}, engine {engine}: {address} (Ctrl+C "
            "stops)"
        )
        if open_page:  # a browser that connects before the server is up waits for it
            webbrowser.open(address)
        _listen_for_hangups(server, app.state.current, progress)
        server.run(sockets=[listening])
    if asked and server.was_stopped_before:
        raise Stopped(asked[0], "no request was taken")
    if server.force_exit:
        progress.say("stopped at once by a second signal; some images may not have been answered")
    else:
        progress.say("stopped; every accepted image was answered")


def _stop_by_signals(server: uvicorn.Server) -> list[int]:
    """Let a signal stop the server; return the list of those that came.

    Before this they end the process at once. uvicorn handles them while it runs, and raises them
    again when it is done.
    """
    asked: list[int] = []

    def stop(number: int, frame: object) -> None:
        asked.append(number)
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return asked


def make_server(app: FastAPI, settings: ServeSettings) -> LimitedServer:
    """Return uvicorn as it is to run the application, with the limits on connections."""
    import uvicorn

    from imlgcn.serve.connections import AT_ONCE, LimitedServer, limited

    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        http=limited(settings),
        ws="none",
        backlog=AT_ONCE,
        loop="asyncio" if settings.cert else "auto",
        timeout_graceful_shutdown=int(settings.timeout) + GRACE,
    )
    return LimitedServer(config)


def _listen_for_hangups(server: uvicorn.Server, current: Current, progress: Progress) -> None:
    """Reload on SIGHUP; but when the terminal that the server was started from is gone, stop."""
    if sys.platform == "win32":
        return
    attached = os.isatty(0)

    async def reload() -> None:
        with suppress(ApiError):  # the log has said why
            service = await current.reload()
            progress.say(f"reloaded: {plural(len(service.tagger.labels), 'label')}")

    def on_hangup(*_: object) -> None:
        if attached and not os.isatty(0):
            server.should_exit = True
        elif current.loop is not None:  # else the tagger has only just been opened
            asyncio.run_coroutine_threadsafe(reload(), current.loop)

    signal.signal(signal.SIGHUP, on_hangup)


def _listen(settings: ServeSettings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=1024)
        # connections inherit this: without it the second part of a response, its body, waits 40 ms
        # for the first to be confirmed (asyncio sets it only on sockets made with IPPROTO_TCP)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except socket.gaierror:
        raise InputError(
            f"this machine has no address {host!r}; give 127.0.0.1 or 0.0.0.0"
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use by another program; give another port"
            raise InputError(message) from None
        raise InputError(f"cannot listen at {host}, port {port}: {error.strerror}") from None


def _check_token(listening: socket.socket, settings: ServeSettings) -> None:
    """Refuse to let other machines in without a token, unless that is said."""
    host = listening.getsockname()[0].partition("%")[0]
    if settings.token is None and not settings.no_token and not ip_address(host).is_loopback:
        raise InputError(
            f"{settings.host} lets other machines in: give a token (token_file=FILE or "
            f"${VARIABLE}; {HOW}), or no_token=True if everyone may use it"
        )


def _address(listening: socket.socket, settings: ServeSettings) -> str:
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    elif settings.host == "localhost":
        host = settings.host
    scheme = "https" if settings.cert else "http"
    prefix = settings.root_path.rstrip("/")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{prefix and prefix + '/'}"
