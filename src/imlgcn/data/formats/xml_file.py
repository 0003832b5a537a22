"""XML files of annotation tools, read without entities."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from imlgcn.errors import InputError

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
    try:
        return plain_xml(content)
    except DoctypeError:
        raise InputError(
            f"{path}: refused, an annotation must not declare a document type or entities"
        ) from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"{path}: is not valid XML ({error})") from None


class DoctypeError(Exception):
    """The text declares a document type, and with it perhaps entities."""


def plain_xml(content: bytes) -> ElementTree.Element:
    """Return the root of an XML text.

    Raises:
        DoctypeError: it declares a document type.
        ParseError, LookupError, ValueError: it is not XML.
    """
    return ElementTree.fromstring(content, ElementTree.XMLParser(target=_Plain()))


class _Plain(ElementTree.TreeBuilder):
    """Stops where the parser itself meets a document type, in whatever encoding.

    Entities, with which a small file fills the memory or reads another, are declared nowhere else.
    """

    def doctype(self, *_: object) -> None:
        raise DoctypeError


def xml_start(path: Path) -> bytes:
    """Return the first bytes of a file that ends in .xml; none of another."""
    if path.suffix.lower() != ".xml" or not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(START)
