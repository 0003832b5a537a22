"""What a mistake of this program leaves: one line, and a file to attach to a report.

The file holds the traceback, versions, the platform and the names of options. It holds no image, no
path and no value of an option: what an error says is stripped of them, unless ``IMLGCN_DEBUG`` is
set.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
DEBUG = "IMLGCN_DEBUG"
LIBRARIES = (
    *("imlgcn", "torch", "torchvision", "timm", "lightning", "numpy", "pillow", "pyarrow"),
    *("pydantic", "typer", "onnxruntime", "openvino", "fastapi", "uvicorn"),
)
# what may be a path, a name or a label: anything in quotes, and words with a slash or a suffix
PRIVATE = re.compile(r"""'[^']*'|"[^"]*"|\S*[/\\]\S*|\b\S+\.[A-Za-z]\w{1,4}\b""")


def internal_error(error: BaseException, arguments: Sequence[str], commands: set[str]) -> str:
    """Write the file and return the line that says where it is.

    Args:
        error: what nobody expected.
        arguments: of the command line, without the program.
        commands: names that may be said: those of commands.
    """
    kind = type(error).__name__
    text = "".join(f"{line}\n" for line in _lines(error, arguments, commands))
    name = time.strftime(f"imlgcn-error-%Y%m%d-%H%M%S-{os.getpid()}.txt")
    for folder in (Path.cwd, lambda: Path(tempfile.gettempdir())):
        with suppress(OSError):  # read-only, full, or the working folder is gone
            file = folder() / name
            file.write_text(text, encoding="utf-8", errors="backslashreplace")
            return f"internal error ({kind}); details are in {file}, please attach it to a report"
    return (
        f"internal error ({kind}) in {_place(error)}; no folder to write the details to: set TMPDIR"
    )


def _lines(error: BaseException, arguments: Sequence[str], commands: set[str]) -> Iterator[str]:
    if os.environ.get(DEBUG):
        yield f"arguments: {list(arguments)!a}"
        yield from "".join(traceback.format_exception(error)).splitlines()
    else:
        yield f"arguments: {' '.join(_names(arguments, commands))}"
        yield from _traceback(error)
        yield f"(paths, names and values are left out; {DEBUG}=1 keeps them)"
    yield f"python {platform.python_version()}, {platform.platform()}"
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            yield f"{library} {version(library)}"


def _names(arguments: Sequence[str], commands: set[str]) -> Iterator[str]:
    """Yield commands, and options without their values; three dots stand for all else."""
    for argument in arguments:
        if argument in commands or re.fullmatch("--[a-z][a-z0-9-]*", argument):
            yield argument
        elif found := re.match("(--[a-z][a-z0-9-]*)=", argument):
            yield f"{found[1]}=..."
        else:
            yield "..."


def _traceback(error: BaseException) -> Iterator[str]:
    """Yield the errors from the first to the last, with the places in the code."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _traceback(before)
        yield "then:"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {_public(frame.filename)}, line {frame.lineno}, in {frame.name}: {frame.line}"
    said = PRIVATE.sub("...", " ".join(str(error).split()))
    yield f"{type(error).__name__}: {said[:1_000]}"


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{_public(last.filename)}, line {last.lineno}"


def _public(filename: str) -> str:
    """Return the path of a module below the folder that Python finds it in."""
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        if filename.startswith(os.path.join(folder, "")):
            return os.path.relpath(filename, folder)
    return os.path.basename(filename)
