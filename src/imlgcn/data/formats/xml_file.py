"""XML files of annotation tools, read without entities."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from imlgcn.config import InputError

START = 4096  # bytes read to recognise a file


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root of an XML file.

    Raises:
        InputError: it is not XML, or declares entities, which can expand to any size.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    plain = content.replace(b"\0", b"")  # in UTF-16 and UTF-32 too
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:  # entity expansion attacks
        raise InputError(
            f"{path}: refused, an annotation must not declare a document type or entities"
        )
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"{path}: is not valid XML ({error})") from None


def xml_start(path: Path) -> bytes:
    """Return the first bytes of a file that ends in .xml; none of another."""
    if path.suffix.lower() != ".xml" or not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(START)
