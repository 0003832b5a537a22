"""XMP: the sidecars of an image, and the keywords in them or embedded in an image.

``dc:subject`` (XMP specification, part 1, 8.3) lists keywords. Photo managers also keep them with
what they belong to, as ``Places|Beach``: ``lr:hierarchicalSubject`` (Lightroom, darktable),
``digiKam:TagsList`` and ``MicrosoftPhoto:LastKeywordXMP`` (with ``/``), ``mediapro:CatalogSets``.
These are the lists that digiKam reads, in its order
(https://docs.digikam.org/en/setup_application/metadata_settings.html).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize
from xml.etree import ElementTree
from xml.parsers import expat

from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError

# what `imlgcn predict --xmp` remembers in a sidecar: a name nobody has to own. It ends in "#", as
# Exiv2, which digiKam and darktable write with, adds a slash to names that end in neither
OWN = "urn:uuid:1f987a1c-f94c-42d9-9157-7f15ce16d0e9#"
WRITTEN = "Written"  # before the name of a list, as in WrittenSubject: the entries that it added
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
CONTAINERS = ("Bag", "Seq", "Alt")
SUFFIXES = (".xmp", ".XMP")
# "" as photo.jpg.xmp belongs to photo.jpg, not to photo.jpg.png
IMAGE_FORMS = ("", *sorted(form for s in IMAGE_SUFFIXES for form in (s, s.upper())))
MAX_DEPTH = 100  # of nested elements, about ten times what photo managers write
HIERARCHIES = (  # lists of keywords below others: namespace, name, and what separates the levels
    (DIGIKAM, "TagsList", "/"),
    (LIGHTROOM, "hierarchicalSubject", "|"),
    ("http://ns.microsoft.com/photo/1.0/", "LastKeywordXMP", "/"),
    ("http://ns.iview-multimedia.com/mediapro/1.0/", "CatalogSets", "|"),
)

INSTEAD = {"/": "\\", "|": "/"}  # of the sign between levels, within one: as digiKam has it

KeywordPath = tuple[str, ...]  # a keyword below those before it: ("Places", "Beach")


class Keywords(NamedTuple):
    """The keywords of an image: those in plain lists, and those in lists with levels.

    ``written`` are those of both that a tagger gave and no person, as :func:`folded` has them.
    """

    plain: tuple[str, ...] = ()
    paths: tuple[KeywordPath, ...] = ()
    written: frozenset[KeywordPath] = frozenset()

    def by_people(self) -> Keywords:
        """Return the keywords without those that a tagger gave."""
        if not self.written:
            return self
        plain = [entry for entry in self.plain if folded((entry,)) not in self.written]
        paths = [path for path in self.paths if folded(path) not in self.written]
        return Keywords(tuple(plain), tuple(paths))


def folded(path: KeywordPath) -> KeywordPath:
    """Return what all spellings of a keyword have in common.

    >>> folded(("Places", "Beach"))
    ('places', 'beach')
    """
    return tuple(normalize("NFC", level).casefold() for level in path)


def sidecars_of(image: Path) -> list[Path]:
    """Return the existing XMP files of an image, ``photo.jpg.xmp`` first, then ``photo.xmp``.

    A ``photo.xmp`` belongs to no image if two have that name (``photo.jpg`` and ``photo.png``).
    """
    whole, bare = str(image), str(image.with_suffix(""))
    own = [whole + suffix for suffix in SUFFIXES if os.path.lexists(whole + suffix)]
    shared = [bare + suffix for suffix in SUFFIXES if os.path.lexists(bare + suffix)]
    if shared and shares_its_stem(image):
        shared = []
    return [Path(path) for path in (*own[:1], *shared[:1])]


def shares_its_stem(image: Path) -> bool:
    """Return whether another image has the same name but for its ending.

    It is looked for by name: a folder may be too large to list for every image.
    """
    bare = str(image.with_suffix(""))
    return any(
        os.path.isfile(bare + suffix) and not os.path.samefile(bare + suffix, image)
        for suffix in IMAGE_FORMS
    )


def read_keywords(xmp: bytes) -> Keywords:
    """Return the keywords of an XMP document, each once, as it writes them.

    >>> read_keywords(b'<RDF xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject>sea'
    ...               b'</dc:subject></RDF>').plain
    ('sea',)

    Raises:
        InputError: it is not well-formed XML, or might be malicious.
    """
    xmp = xmp.strip(b"\0 \r\n\t")  # the padding of an embedded packet
    check_harmless(xmp)
    root = ElementTree.fromstring(xmp)
    plain = _entries(root, DC, "subject")
    known = {keyword.casefold() for keyword in plain}
    # a keyword that itself has the sign between levels ("24/7") is in the plain list as well
    marked = {
        (mark, keyword.replace(mark, instead).casefold()): keyword
        for mark, instead in INSTEAD.items()
        for keyword in plain
        if mark in keyword
    }

    def path_of(entry: str, mark: str) -> KeywordPath:
        if mark == "/" and entry.casefold() in known:
            return (entry,)
        levels = (level for part in entry.split(mark) if (level := part.strip()))
        return tuple(marked.get((mark, level.casefold()), level) for level in levels)

    paths: list[KeywordPath] = []
    written: list[KeywordPath] = [(entry,) for entry in _entries(root, OWN, f"{WRITTEN}Subject")]
    for namespace, name, mark in HIERARCHIES:
        own = WRITTEN + name[0].upper() + name[1:]
        paths += [path_of(entry, mark) for entry in _entries(root, namespace, name)]
        written += [path_of(entry, mark) for entry in _entries(root, OWN, own)]
    return Keywords(
        plain, tuple(dict.fromkeys(filter(None, paths))), frozenset(map(folded, written))
    )


def _entries(root: ElementTree.Element, namespace: str, name: str) -> tuple[str, ...]:
    found = [
        entry.text or ""
        for element in root.iter(f"{{{namespace}}}{name}")
        for entry in (*element.iter(f"{{{RDF}}}li"), element)
    ]
    return tuple(dict.fromkeys(text for entry in found if (text := entry.strip())))


def check_harmless(xmp: bytes) -> None:
    """Refuse entities, with which a small file fills the memory, and too deep nesting.

    Raises:
        InputError: also if it is not well-formed XML, or its namespaces are not.
    """
    depth = 0

    def refuse_doctype(*_: object) -> None:
        raise InputError("has a document type declaration, which XMP does not allow")

    def enter(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise InputError(f"nests elements more than {MAX_DEPTH} deep")

    def leave(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate(namespace_separator="}")  # as ElementTree: the same is refused
    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    try:
        parser.Parse(xmp, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is not well-formed XML ({error})") from None
