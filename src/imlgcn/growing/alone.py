"""One change of a tagger folder at a time, and no signal between the files that belong together."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

from imlgcn.errors import InputError
from imlgcn.files import only_writer
from imlgcn.hub.address import refuse_hub

Rest = ParamSpec("Rest")
Made = TypeVar("Made")


def alone(
    change: Callable[Concatenate[str | Path, Rest], Made],
) -> Callable[Concatenate[str | Path, Rest], Made]:
    """Let ``change``, whose first argument is a tagger folder, be the only writer of it.

    It raises `InputError` while another process changes or trains it, and for a tagger of the hub.
    """

    @wraps(change)
    def only(tagger: str | Path, *given: Rest.args, **more: Rest.kwargs) -> Made:
        refuse_hub(tagger, "a change of labels")
        path = Path(tagger)
        if not path.is_dir():  # refused by the change itself
            return change(tagger, *given, **more)
        try:
            with only_writer(path.resolve()):
                return change(tagger, *given, **more)
        except BlockingIOError:
            raise InputError(
                f"another run is changing {path}: wait until it has ended, and try again"
            ) from None

    return cast("Callable[Concatenate[str | Path, Rest], Made]", only)  # tagger= stays, too
