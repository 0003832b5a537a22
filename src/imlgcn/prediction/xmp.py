"""Tags as keywords in XMP sidecars beside the images, as photo managers read them.

Keywords go into ``dc:subject`` (XMP specification, part 1), and also into the keyword lists of
digiKam and Lightroom where the file has one: those programs then look only there. The sidecar is
``photo.jpg.xmp`` (digiKam, darktable); if there is only a ``photo.xmp`` (Lightroom) and no second
image of that name, that one. Existing content stays, keywords and all else, and so do permissions
and symbolic links. A file that is read-only, or not XMP, is left alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from imlgcn.data.xmp import (
    CONTAINERS,
    DC,
    DIGIKAM,
    LIGHTROOM,
    RDF,
    SUFFIXES,
    check_harmless,
    sidecars_of,
)
from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.prediction.rows import Row

if TYPE_CHECKING:
    from xml.dom.minidom import Document, Element, Node, Text

XMLNS = "http://www.w3.org/2000/xmlns/"
LISTS = (  # of keywords: namespace and name
    (DC, "subject"),
    (DIGIKAM, "TagsList"),
    (LIGHTROOM, "hierarchicalSubject"),
)
# What an XML parser would not return unchanged (XML 1.0, sections 2.4, 2.11 and 3.3.3)
IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
IN_ATTRIBUTE = IN_TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
EMPTY = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>"""


def sidecar_of(image: Path) -> Path:
    """Return the XMP file of an image: the existing one, or the one to create."""
    return (sidecars_of(image) or [image.with_name(image.name + SUFFIXES[0])])[0]


def write_sidecar(rows: Sequence[Row]) -> bool:
    """Add the tags among one image's rows to its sidecar; return whether that changed it.

    Raises:
        InputError: the sidecar is read-only or not XMP; it is left as it is.
        OSError: it cannot be read or written.
    """
    keywords = list(dict.fromkeys(row.name or row.label for row in rows if row.is_tag))
    if not keywords:
        return False
    path = sidecar_of(Path(rows[0].image))
    is_there = os.path.lexists(path)  # also a dangling link: reading it raises the error
    try:
        after = add_keywords(path.read_bytes() if is_there else EMPTY.encode(), keywords)
        if after is not None:
            (_rewrite if is_there else write_atomic)(path, after)
    except InputError as error:
        raise InputError(f"{path}: {error}; its keywords were not written") from None
    return after is not None


def _rewrite(path: Path, data: bytes) -> None:
    """Replace the content of a file; its permissions and a link to it stay."""
    file = path.resolve()
    mode = stat.S_IMODE(file.stat().st_mode)
    if not mode & 0o222 or not os.access(file, os.W_OK):  # the mode, as root may write to any file
        raise InputError("is read-only")
    write_atomic(file, data, mode=mode)


def add_keywords(xmp: bytes, keywords: Iterable[str]) -> bytes | None:
    """Return an XMP file with the keywords it lacks (in any case of letters), None if it has all.

    >>> b"<rdf:li>dog</rdf:li>" in add_keywords(EMPTY.encode(), ["dog"])
    True
    """
    document = _parse(xmp)
    description = _description(document)
    wanted, changed = [_printable(keyword).strip() for keyword in keywords], False
    for namespace, name in LISTS:
        found = document.getElementsByTagNameNS(namespace, name)
        if not found and namespace != DC:
            continue
        bag = _container(document, found[0] if found else _new_subject(document, description))
        there = {_text(entry).casefold() for entry in _children(bag, "li")}
        for keyword in wanted:
            if keyword.casefold() not in there:
                entry = document.createElementNS(RDF, _prefixed(bag, "li"))
                entry.appendChild(document.createTextNode(keyword))
                bag.appendChild(entry)
                changed = True
    if not changed:
        return None
    parts = ['<?xml version="1.0" encoding="utf-8"?>', *map(_serialize, document.childNodes)]
    return "\n".join(parts).encode()


def _serialize(node: Node) -> str:
    """Write a node as XML; minidom's own writer loses line ends and, before 3.13, tabs."""
    if node.nodeType == node.TEXT_NODE:
        return cast("Text", node).data.translate(IN_TEXT)
    if node.nodeType != node.ELEMENT_NODE:
        return node.toxml()
    element = cast("Element", node)
    start = element.tagName
    for name, value in element.attributes.items():
        start += f' {name}="{(value or "").translate(IN_ATTRIBUTE)}"'  # None in xmlns=""
    inside = "".join(map(_serialize, element.childNodes))
    return f"<{start}>{inside}</{element.tagName}>" if inside else f"<{start}/>"


def _parse(xmp: bytes) -> Document:
    from xml.dom import minidom

    check_harmless(xmp)
    return minidom.parseString(xmp)


def _description(document: Document) -> Element:
    for root in document.getElementsByTagNameNS(RDF, "RDF"):
        for description in _children(root, "Description"):
            return description
        made = document.createElementNS(RDF, _prefixed(root, "Description"))
        made.setAttributeNS(RDF, _prefixed(root, "about"), "")
        return root.appendChild(made)
    raise InputError("contains no rdf:RDF, so it is not XMP")


def _new_subject(document: Document, description: Element) -> Element:
    subject = document.createElementNS(DC, "dc:subject")
    subject.setAttributeNS(XMLNS, "xmlns:dc", DC)
    return description.appendChild(subject)


def _container(document: Document, element: Element) -> Element:
    """Return the bag in a keyword list; create it where there is none."""
    for kind in CONTAINERS:
        for found in _children(element, kind):
            return found
    bag = document.createElementNS(RDF, "rdf:Bag")
    bag.setAttributeNS(XMLNS, "xmlns:rdf", RDF)
    return element.appendChild(bag)


def _children(element: Element, name: str) -> Iterator[Element]:
    for child in element.childNodes:
        if (child.namespaceURI, child.localName) == (RDF, name):  # a text has neither
            yield cast("Element", child)


def _prefixed(element: Element, name: str) -> str:
    return f"{element.prefix}:{name}" if element.prefix else name


def _text(element: Element) -> str:
    return "".join(n.data for n in element.childNodes if n.nodeType == n.TEXT_NODE).strip()


def _printable(text: str) -> str:
    """Drop the few characters that XML cannot hold (section 2.2)."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
