"""The command line: each command is a thin wrapper of one public function."""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Annotated, NoReturn

import typer
from typer.models import CommandInfo

from imlgcn.cli.flags import in_flags
from imlgcn.cli.plain_values import QuickCommand, QuickGroup
from imlgcn.errors import InputError, NoticeWarning
from imlgcn.extras import missing
from imlgcn.numbers import shortened
from imlgcn.stopping import Stopped, listen

PLAIN = warnings.formatwarning
MODULES = {
    "check": ("check",),
    "data": ("split", "graph"),
    "pack": ("pack",),
    "audit": ("audit",),
    "demo": ("demo",),
    "train": ("train",),
    "importing": ("import",),
    "predict": ("predict",),
    "merging": ("merge-predictions",),
    "serve": ("serve",),
    "model": ("evaluate", "report", "params", "systems"),
    "explain": ("explain",),
    "compare": ("compare",),
    "export": ("export",),
    "label": ("label",),
    "suggest": ("suggest", "similar"),
    "hub": ("push", "pull"),
}
# of a command that a signal ends outside of `safe_points`; files are written whole or not at all
NOTHING_KEPT = "nothing of what was under way is kept: give the same command again"
SUBCOMMANDS = {"add", "remove", "rename", "merge", "undo"}  # of `imlgcn label`
PANELS = {  # of `imlgcn --help`, in its order
    "Data": ("check", "audit", "split", "graph", "pack"),
    "Make a tagger": ("demo", "train", "import"),
    "Use it": ("predict", "merge-predictions", "serve"),
    "Look at it": ("evaluate", "explain", "report"),
    "Compare and publish": ("compare", "systems", "params", "export", "push", "pull"),
    "Grow it": ("suggest", "similar", "label"),
}


def commands(wanted: str | None = None) -> typer.Typer:
    """Return the command line with all commands, or only those in the module of the ``wanted`` one.

    Without the imports of the others, `imlgcn predict` starts in half the time.
    """
    app = typer.Typer(
        name="imlgcn",
        cls=QuickGroup,
        help="Train a small network to tag images with all their labels.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    app.callback()(_options)
    one = [module for module, names in MODULES.items() if wanted in names]
    for module in () if wanted == "--version" else one or MODULES:
        import_module(f"imlgcn.cli.{module}").register(app)
    order = [name for names in PANELS.values() for name in names]
    for command in app.registered_commands:
        command.cls = QuickCommand
        command.rich_help_panel = next(p for p, names in PANELS.items() if _name(command) in names)
    app.registered_commands.sort(key=lambda command: order.index(_name(command)))
    return app


def _name(command: CommandInfo) -> str:
    assert command.callback is not None
    return command.name or str(command.callback.__name__)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"imlgcn {version('imlgcn')}")
        raise typer.Exit


def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line; an input error is one sentence and the exit code that it asks for.

    Whatever nobody expected is one line too, exit code 70, and a file for a report.
    """
    # before torch is loaded: its threads then sleep while they wait for each other. Spinning, as is
    # the default, made training 2 to 3 times slower on a machine where other programs were busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    listen()
    warnings.formatwarning = _warning_line
    with suppress(AttributeError, ValueError):  # a name that is not Unicode can be printed
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        _run()
    except MemoryError:
        _end("the memory is full; take smaller images, batches or parts of the data", 2)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (lacking := missing(error.name or "")):
            _end(str(lacking), lacking.exit_code)
        from imlgcn.cli.internal_error import EXIT_CODE, internal_error

        known = {name for names in MODULES.values() for name in names} | SUBCOMMANDS
        _end(internal_error(error, sys.argv[1:], known), EXIT_CODE)


def _warning_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Return the text of a warning: of a notice one line, of others what Python has."""
    if issubclass(category, NoticeWarning):
        return f"imlgcn: {_printable(in_flags(str(message)))}\n"
    return PLAIN(message, category, filename, lineno, line)


def _end(message: str, code: int) -> NoReturn:
    with suppress(OSError, ValueError):  # nobody reads it any more: the exit code is what remains
        sys.stderr.write(f"imlgcn: {_printable(message)}\n")
        sys.stderr.flush()
    sys.exit(code)


def _printable(message: str) -> str:
    """Return a message without signs that a terminal obeys, and without words of pages."""
    shown = "".join(c if c.isprintable() or c in "\n\u00a0" else ascii(c)[1:-1] for c in message)
    return re.sub(r"\S{400,}", lambda found: shortened(found[0]), shown)


def _run() -> None:
    try:
        commands(sys.argv[1] if len(sys.argv) > 1 else None)()
    except InputError as error:
        _end(in_flags(str(error)), error.exit_code)
    except Stopped as stopped:
        _end(f"stopped; {in_flags(str(stopped)) or NOTHING_KEPT}", stopped.exit_code)
    except KeyboardInterrupt:
        _end(f"stopped; {NOTHING_KEPT}", 130)
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        what = error.filename or "a file or the output"
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        advice = "; free some space and give the command again" if full else ""
        _end(f"{what}: {error.strerror or error}{advice}", 2)
