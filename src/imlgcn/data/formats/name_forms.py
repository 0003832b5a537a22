"""The forms in which the name of one image file is written: addresses, Unicode, suffixes, case."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

from imlgcn.data.images import IMAGE_SUFFIXES

Parts = tuple[str, ...]  # folders and name
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
ABSOLUTE = re.compile(r"/|[a-zA-Z]:/")


def is_address(name: str) -> bool:
    """Return whether a name is a URL, such as ``https://...`` or ``gs://...``."""
    return ADDRESS.match(name) is not None


def parts_of(name: str) -> Parts:
    """Return the parts of a name: folders and file.

    >>> parts_of("https://example.com/img/a%20b.jpg?size=2")
    ('example.com', 'img', 'a b.jpg')
    >>> parts_of("C:/Users/ann/a.jpg")
    ('C:', 'Users', 'ann', 'a.jpg')
    """
    if is_address(name):
        name = unquote(re.split("[?#]", ADDRESS.sub("", name))[0])
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def is_elsewhere(name: str) -> bool:
    """Return whether the folders of a name are those of another place."""
    return is_address(name) or ABSOLUTE.match(name) is not None


def has_image_suffix(name: str) -> bool:
    """Return whether a name ends as an image file does."""
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def plain_form(name: str) -> str:
    """Return a name in one Unicode form, with a small suffix of an image."""
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    dot = name.rfind(".")
    suffix = name[dot:].lower()
    return name[:dot] + suffix if dot > 0 and suffix in IMAGE_SUFFIXES else name


def stem_form(name: str) -> str:
    """Return a name without the suffix of an image."""
    name = plain_form(name)
    return name[: name.rfind(".")] if has_image_suffix(name) else name


def caseless_form(name: str) -> str:
    """Return a name as a system compares it that does not tell capitals from small letters."""
    return plain_form(name).casefold()


FOLDS: tuple[Callable[[str], str], ...] = (plain_form, stem_form, caseless_form)
