"""Tags as keywords in XMP sidecars beside the images, as photo managers read them.

Keywords go into ``dc:subject`` (XMP specification, part 1), and also into the keyword lists of
digiKam and Lightroom where the file has one: those programs then look only there. The sidecar is
``photo.jpg.xmp`` (digiKam, darktable); if there is only a ``photo.xmp`` (Lightroom), that one. What
a file already says stays, keywords and all else; a file that is no XMP is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast
from xml.parsers import expat

from imlgcn.config import InputError
from imlgcn.files import write_atomic
from imlgcn.predict.rows import Row

if TYPE_CHECKING:
    from xml.dom.minidom import Document, Element

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
XMLNS = "http://www.w3.org/2000/xmlns/"
LISTS = (  # of keywords: namespace and name
    (DC, "subject"),
    ("http://www.digikam.org/ns/1.0/", "TagsList"),
    ("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject"),
)
CONTAINERS = ("Bag", "Seq", "Alt")
EMPTY = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>"""


def sidecar_of(image: Path) -> Path:
    """Return the XMP file of an image: the one there is, or the one to make."""
    own = image.with_name(image.name + ".xmp")
    shared = image.with_suffix(".xmp")
    return shared if shared.exists() and not own.exists() else own


def write_sidecar(rows: Sequence[Row]) -> bool:
    """Add the tags among one image's rows to its sidecar; return whether that changed it.

    Raises:
        InputError: the sidecar is no XMP; it is left as it is.
        OSError: it cannot be read or written.
    """
    keywords = [row.label for row in rows if row.is_tag]
    if not keywords:
        return False
    path = sidecar_of(Path(rows[0].image))
    before = path.read_bytes() if path.exists() else EMPTY.encode()
    try:
        after = add_keywords(before, keywords)
    except InputError as error:
        raise InputError(f"{path}: {error}; its keywords were not written") from None
    if after is None:
        return False
    write_atomic(path, after)
    return True


def add_keywords(xmp: bytes, keywords: Iterable[str]) -> bytes | None:
    """Return an XMP file with the keywords it lacks (in any case of letters), None if it has all.

    >>> b"<rdf:li>dog</rdf:li>" in add_keywords(EMPTY.encode(), ["dog"])
    True
    """
    document = _parse(xmp)
    description = _description(document)
    wanted, changed = list(keywords), False
    for namespace, name in LISTS:
        found = document.getElementsByTagNameNS(namespace, name)
        if not found and namespace != DC:
            continue
        bag = _container(document, found[0] if found else _new_subject(document, description))
        there = {_text(entry).casefold() for entry in _children(bag, "li")}
        for keyword in wanted:
            if keyword.casefold() not in there:
                entry = document.createElementNS(RDF, _prefixed(bag, "li"))
                entry.appendChild(document.createTextNode(_printable(keyword)))
                bag.appendChild(entry)
                changed = True
    return document.toxml(encoding="utf-8") if changed else None


def _parse(xmp: bytes) -> Document:
    """Parse a file that declares nothing: entities could make a small file fill the memory."""
    from xml.dom import minidom

    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = _refuse_doctype
    try:
        guard.Parse(xmp, True)
        return minidom.parseString(xmp)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is not well-formed XML ({error})") from None


def _refuse_doctype(*_: object) -> None:
    raise InputError("has a document type declaration, which XMP does not allow")


def _description(document: Document) -> Element:
    for root in document.getElementsByTagNameNS(RDF, "RDF"):
        for description in _children(root, "Description"):
            return description
        made = document.createElementNS(RDF, _prefixed(root, "Description"))
        made.setAttributeNS(RDF, _prefixed(root, "about"), "")
        return root.appendChild(made)
    raise InputError("holds no rdf:RDF, so it is no XMP")


def _new_subject(document: Document, description: Element) -> Element:
    subject = document.createElementNS(DC, "dc:subject")
    subject.setAttributeNS(XMLNS, "xmlns:dc", DC)
    return description.appendChild(subject)


def _container(document: Document, element: Element) -> Element:
    """Return the bag in a keyword list, a new one where it has none."""
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
    """Leave out the few characters that XML cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or "\x20" <= c < "\ud800" or c > "\udfff")
