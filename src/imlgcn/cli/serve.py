"""The command serve: an API and a page for one tagger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli.options import Device, LabelTableFile, TaggerOrFile, Threshold, terminal
from imlgcn.errors import InputError

ADDRESS, LOAD, STUDIO = "Address", "Load", "Label Studio"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(serve)


def serve(
    tagger: TaggerOrFile,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; 0.0.0.0: for other machines too.",
            rich_help_panel=ADDRESS,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(metavar="N", help="Port; 0: any that is free.", rich_help_panel=ADDRESS),
    ] = 8000,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="onnxruntime, openvino, torch, or auto: the fastest here."
        ),
    ] = "auto",
    grow: Annotated[
        bool,
        typer.Option(
            "--grow", help="Let the page and the API change labels, in the tagger folder."
        ),
    ] = False,
    audit: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Also ask about doubtful labels of these data, as audit does (default: none).",
        ),
    ] = None,
    label_studio: Annotated[
        bool,
        typer.Option(
            "--label-studio",
            help="Also answer Label Studio as its machine-learning backend.",
            rich_help_panel=STUDIO,
        ),
    ] = False,
    label_studio_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Its address, to fetch images from; nothing else is asked (default: none).",
            rich_help_panel=STUDIO,
        ),
    ] = None,
    label_studio_token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of its access token (default: $LABEL_STUDIO_API_KEY, or none).",
            rich_help_panel=STUDIO,
        ),
    ] = None,
    label_studio_files: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Document root of its local files, to read images below it (default: none).",
            rich_help_panel=STUDIO,
        ),
    ] = None,
    threshold: Threshold = None,
    label_table: LabelTableFile = None,
    device: Device = "auto",
    max_batch: Annotated[
        int,
        typer.Option(metavar="N", help="Images scored at once, at most.", rich_help_panel=LOAD),
    ] = 4,
    max_wait_ms: Annotated[
        float,
        typer.Option(
            metavar="MS",
            help="Milliseconds that a batch waits for images being decoded, at most.",
            rich_help_panel=LOAD,
        ),
    ] = 2.0,
    queue: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Images accepted and not yet answered; beyond it, status 503.",
            rich_help_panel=LOAD,
        ),
    ] = 256,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of the token that requests must bring (default: $IMLGCN_TOKEN, or none).",
            rich_help_panel=ADDRESS,
        ),
    ] = None,
    no_token: Annotated[
        bool,
        typer.Option(
            "--no-token",
            help="Let other machines in without a token.",
            rich_help_panel=ADDRESS,
        ),
    ] = False,
    cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Certificate (PEM) to answer over https with; needs --key (default: http).",
            rich_help_panel=ADDRESS,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Its key (PEM), without a passphrase (default: none).",
            rich_help_panel=ADDRESS,
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Path below which a proxy has the server, such as /tags (default: none).",
            rich_help_panel=ADDRESS,
        ),
    ] = "",
    log: Annotated[
        str,
        typer.Option(
            metavar="FORM",
            help="Form of the line that each request gets on standard output: text or json.",
        ),
    ] = "text",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further host name to answer to; may be repeated (default: none).",
            rich_help_panel=ADDRESS,
        ),
    ] = None,
) -> None:
    """Serve a tagger: a page to try it on, and an API.

    On SIGHUP it takes the tagger over as its folder is then.

    Example: imlgcn serve runs/demo --open
    """
    from pydantic import ValidationError

    from imlgcn.serve import ServeSettings, run_server
    from imlgcn.serve.label_studio.options import studio_options
    from imlgcn.serve.tls import check_pair
    from imlgcn.serve.token import read_token
    from imlgcn.tagger import Tagger

    options = {
        "host": host,
        "port": port,
        "max_batch": max_batch,
        "max_wait_ms": max_wait_ms,
        "queue": queue,
        "allow_hosts": tuple(allow_host or ()),
        "grow": grow,
        "audit": audit,
        "token": None if no_token else read_token(token_file),
        "no_token": no_token,
        "cert": cert,
        "key": key,
        "root_path": root_path,
        "log": log,
        **studio_options(
            label_studio, label_studio_url, label_studio_token_file, label_studio_files
        ),
    }
    try:
        settings = ServeSettings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name, message = first["loc"][0], first["msg"].replace("Input should be", "expected")
        option = f"--{str(name).replace('_', '-')}"
        raise InputError(f"{option}: {message}; got {first['input']!r}") from None

    check_pair(cert, key)  # before anything is loaded

    def load() -> Tagger:
        opened = Tagger.load(tagger, engine=engine, device=device, label_table=label_table)
        return opened.at(threshold)

    run_server(load(), settings, open_page=open_page, reopen=load, progress=terminal())
