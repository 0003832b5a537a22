"""The commands push and pull: a tagger to the hub, and from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imlgcn.cli.flags import in_flags
from imlgcn.cli.options import OutFolder, OwnTagger, terminal
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural

if TYPE_CHECKING:
    from imlgcn.publishing.sending import Pushed

CARD = Path("card.md")
WHAT, SAID = "What is sent", "What the card says"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(push)
    app.command()(pull)


def push(
    tagger: OwnTagger,
    repository: Annotated[
        str, typer.Argument(metavar="NAME", help="user/name; made if it is not there.")
    ],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Send nothing: list the files, and write the card."),
    ] = False,
    public: Annotated[
        bool,
        typer.Option("--public", help="Let everybody see a new repository, not only its owner."),
    ] = False,
    branch: Annotated[
        str, typer.Option(metavar="NAME", help="The branch to commit to; made if it is not there.")
    ] = "main",
    message: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Of the commit (default: how many labels).")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Of the tagger: apache-2.0, cc-by-4.0, ... (default: unknown).",
            rich_help_panel=SAID,
        ),
    ] = None,
    data_licence: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Of its images and labels (default: unknown, but for openclipart).",
            rich_help_panel=SAID,
        ),
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your card, Markdown; with --dry-run where to write one (default: made from "
            "TAGGER; card.md).",
            rich_help_panel=SAID,
        ),
    ] = None,
    with_support: Annotated[
        bool,
        typer.Option(
            "--with-support",
            help="Also what names the images that it learnt and was evaluated on.",
            rich_help_panel=WHAT,
        ),
    ] = False,
) -> None:
    """Send a tagger to the hub of Hugging Face.

    As one commit of data: weights, an ONNX file, JSON and a model card. Names
    of images and paths of this machine stay here. It asks for a token of the
    hub: `hf auth login`, or the variable HF_TOKEN.

    Example: imlgcn push runs/demo user/name --dry-run
    """
    from imlgcn.exporting.agreement import ExportRefused
    from imlgcn.publishing.sending import check_push
    from imlgcn.publishing.sending import push as run

    written = (card or CARD) if dry_run else None
    if written is not None:
        check_push(
            *(tagger, repository),
            branch=branch,
            licence=licence,
            data_licence=data_licence,
            dry_run=True,
        )
        _refuse_to_write(written)
    try:
        done = run(
            tagger,
            repository,
            branch=branch,
            private=not public,
            licence=licence,
            data_licence=data_licence,
            card=None if dry_run else card,
            with_support=with_support,
            message=message,
            dry_run=dry_run,
            progress=terminal(),
        )
    except ExportRefused as refused:
        typer.echo(f"imlgcn: {in_flags(str(refused))}", err=True)
        raise typer.Exit(4) from None
    _show_files(done, dry_run)
    if written is not None:
        from imlgcn.files import write_atomic

        write_atomic(written, done.card)
        typer.echo(f"the card: {written}; edit it, and send it with --card {written}")
    else:
        _show_use(done, public)


def _refuse_to_write(card: Path) -> None:
    if card.exists():
        raise InputError(f"{card} exists; give another --card, or move it")


def _show_files(done: Pushed, dry_run: bool) -> None:
    """Print what is sent, and what stays here."""
    total = sum(done.files.values())
    verb = "would be sent" if dry_run else "sent"
    typer.echo(
        f"{verb} to {done.address.repository}: {plural(len(done.files), 'file')}, "
        f"{number(total / 1e6)} MB"
    )
    for name, size in done.files.items():
        typer.echo(f"  {name:<26}{number(size / 1000, 0 if size >= 10_000 else 1):>9} kB")
    if done.left_out:
        typer.echo("stays here:")
        for name, reason in done.left_out.items():
            typer.echo(f"  {name:<26}{reason}")


def _show_use(done: Pushed, public: bool) -> None:
    """Print where it is and how it is used."""
    seen = "private: only its owner sees it" if done.private else "public: everybody sees it"
    typer.echo(f"{done.url} ({seen})")
    if not done.created and public is done.private:
        typer.echo("it was there before, and stays as it was: change that on its page, Settings")
    name = f"hf-hub:{done.address.repository}"
    typer.echo("use it, at this commit or at its newest:")
    typer.echo(f"  imlgcn predict {done.address} photo.jpg")
    typer.echo(f'  Tagger.load("{name}")("photo.jpg")')


def pull(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="user/name, or user/name@revision: a branch, tag or commit."
        ),
    ],
    out: OutFolder,
) -> None:
    """Copy a tagger of the hub into a folder of your own.

    To use one, no copy is needed: other commands take hf-hub:user/name.

    Example: imlgcn pull user/name --out runs/theirs
    """
    from imlgcn.hub.address import snapshot_of
    from imlgcn.publishing.copying import pull as run

    terminal().say(f"{out}: {snapshot_of(run(address, out))}")
