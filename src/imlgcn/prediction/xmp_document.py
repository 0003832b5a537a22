"""An XMP file whose lists of keywords are read and changed; everything else in it stays.

What was written is remembered in the file itself, in lists of an own namespace that programs keep
as they keep everything they do not know: ``imlgcn:WrittenSubject``, ``imlgcn:RemovedSubject``, and
the same for the other lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from imlgcn.data.xmp import CONTAINERS, OWN, RDF, WRITTEN, check_harmless
from imlgcn.errors import InputError
from imlgcn.prediction.keyword_lists import KINDS, Kind, Listed, Lists, same

if TYPE_CHECKING:
    from xml.dom.minidom import Document, Element, Node, Text

XMLNS = "http://www.w3.org/2000/xmlns/"
TEXTS = (3, 4)  # node types: text, and text in a CDATA section
REMOVED = "Removed"
PREFIX = "imlgcn"
# What an XML parser would not return unchanged (XML 1.0, sections 2.4, 2.11 and 3.3.3)
IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
IN_ATTRIBUTE = IN_TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
EMPTY = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>"""


class XmpDocument:
    """The lists of keywords in an XMP file.

    Raises:
        InputError: it is not well-formed XML, might be malicious, or is not XMP.
    """

    def __init__(self, xmp: bytes) -> None:
        from xml.dom import minidom

        check_harmless(xmp)
        self._document: Document = minidom.parseString(xmp)
        self._description = self._first_description()

    def lists(self) -> Lists:
        """Return the lists of the file, and what is remembered of each."""
        return {
            kind: Listed(
                self._entries(kind),
                self._entries(_memory(kind, WRITTEN)) or (),
                self._entries(_memory(kind, REMOVED)) or (),
            )
            for kind in KINDS
        }

    def change(self, lists: Lists) -> bool:
        """Make the file have these lists; return whether that changed anything."""
        changed = False
        for kind in KINDS:
            one = lists[kind]
            changed |= self._set(kind, one.entries or ())
            changed |= self._set(_memory(kind, WRITTEN), one.written)
            changed |= self._set(_memory(kind, REMOVED), one.removed)
        return changed

    def to_bytes(self) -> bytes:
        """Return the file, in UTF-8."""
        start = '<?xml version="1.0" encoding="utf-8"?>'
        return "\n".join([start, *map(_serialize, self._document.childNodes)]).encode()

    def _entries(self, kind: Kind) -> tuple[str, ...] | None:
        found = self._document.getElementsByTagNameNS(kind.namespace, kind.name)
        if not found:
            return None
        return tuple(dict.fromkeys(text for _, text in self._items(found) if text))

    @staticmethod
    def _items(found: Iterable[Element]) -> Iterator[tuple[Element, str]]:
        for element in found:
            for container in CONTAINERS:
                for bag in _children(element, container):
                    for item in _children(bag, "li"):
                        yield item, _text(item)
            if text := _text(element):  # one entry without a list
                yield element, text

    def _set(self, kind: Kind, entries: Iterable[str]) -> bool:
        """Add and take out entries of a list; one that has become empty goes as a whole."""
        found = list(self._document.getElementsByTagNameNS(kind.namespace, kind.name))
        wanted = {same(entry): entry for entry in entries}
        here = {same(text) for _, text in self._items(found) if text}
        if here == wanted.keys():
            return False
        bag, *_ = [self._container(each) for each in found or [self._new(kind)]]
        for item, text in [*self._items(found)]:
            if text and same(text) not in wanted:
                _remove(item)
        for known, entry in wanted.items():
            if known not in here:
                self._append(bag, self._document.createTextNode(entry))
        for element in found:
            if not wanted and _is_empty(element):
                _remove(element)
        return True

    def _first_description(self) -> Element:
        for root in self._document.getElementsByTagNameNS(RDF, "RDF"):
            for description in _children(root, "Description"):
                return description
            made = self._document.createElementNS(RDF, _prefixed(root, "Description"))
            made.setAttributeNS(RDF, _prefixed(root, "about"), "")
            return root.appendChild(made)
        raise InputError("contains no rdf:RDF, so it is not XMP")

    def _new(self, kind: Kind) -> Element:
        made = self._document.createElementNS(kind.namespace, f"{kind.prefix}:{kind.name}")
        made.setAttributeNS(XMLNS, f"xmlns:{kind.prefix}", kind.namespace)
        return self._description.appendChild(made)

    def _container(self, element: Element) -> Element:
        """Return the bag in a keyword list; create it where there is none."""
        for kind in CONTAINERS:
            for found in _children(element, kind):
                return found
        bag = self._document.createElementNS(RDF, "rdf:Bag")
        bag.setAttributeNS(XMLNS, "xmlns:rdf", RDF)
        if _text(element):  # an entry without a list becomes its first one
            texts = [node for node in element.childNodes if node.nodeType in TEXTS]
            self._append(bag, *(cast("Text", node) for node in texts))
        return element.appendChild(bag)

    def _append(self, bag: Element, *content: Text) -> None:
        item = self._document.createElementNS(RDF, _prefixed(bag, "li"))
        for node in content:
            item.appendChild(node)
        bag.appendChild(item)


def printable(text: str) -> str:
    """Drop the few characters that XML cannot hold (section 2.2), and white space at the ends."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text).strip()


def _memory(kind: Kind, what: str) -> Kind:
    return Kind(OWN, PREFIX, what + kind.name[0].upper() + kind.name[1:])


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


def _remove(node: Element) -> None:
    """Take a node out, with the white space before it."""
    parent = cast("Element", node.parentNode)
    before = node.previousSibling
    if before is not None and before.nodeType == before.TEXT_NODE and not before.data.strip():
        parent.removeChild(before)
    parent.removeChild(node)


def _children(element: Element, name: str) -> Iterator[Element]:
    for child in element.childNodes:
        if (child.namespaceURI, child.localName) == (RDF, name):  # a text has neither
            yield cast("Element", child)


def _prefixed(element: Element, name: str) -> str:
    return f"{element.prefix}:{name}" if element.prefix else name


def _text(element: Element) -> str:
    found = (cast("Text", node) for node in element.childNodes if node.nodeType in TEXTS)
    return "".join(node.data for node in found).strip()


def _is_empty(element: Element) -> bool:
    """Return whether nothing is left in a list: no entry, and nothing of another kind."""
    inside = [node for node in element.childNodes if node.nodeType == node.ELEMENT_NODE]
    bags = [bag for kind in CONTAINERS for bag in _children(element, kind)]
    return not _text(element) and len(inside) == len(bags) and all(map(_is_empty, bags))
