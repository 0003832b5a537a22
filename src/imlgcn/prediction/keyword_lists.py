r"""Which entries the keyword lists of an XMP file get, and which they lose.

There are three lists: ``dc:subject`` with plain keywords, and Lightroom's and digiKam's with what
they belong to. Programs read one of them and pass by the others: Immich digiKam's, else
Lightroom's, else the plain one (``getTagList`` in its ``metadata.service.ts``); darktable
Lightroom's, else the plain one (``exif.cc``); digiKam the first of those in its settings. So a list
with levels is written where a tag has parents, or where there is one already, also inside the
image; and a list that is new is complete: it has a person's keywords from the other lists, too.
To a file that has only Lightroom's, digiKam's is not added: Lightroom would not keep it up to date.

What was written is remembered list by list, so that another run can take it back. Of an entry that
was written and has gone, a person has taken it out: the tag is not written again, and what is left
of it in the other lists goes, too. A keyword that a person has anywhere is that person's.

A level cannot hold the sign between levels. Lightroom's ``|`` becomes ``/``; digiKam's ``/``
becomes ``\``, as digiKam itself has it when it reads Lightroom's list (``NamespaceEntry``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from unicodedata import normalize

from imlgcn.data.xmp import DC, DIGIKAM, INSTEAD, LIGHTROOM, KeywordPath, Keywords
from imlgcn.labels.paths import NamedPaths


class Kind(NamedTuple):
    """A list of keywords: its namespace, prefix and name, and what separates levels, if any."""

    namespace: str
    prefix: str
    name: str
    mark: str = ""

    def entry(self, path: KeywordPath) -> str:
        """Return what stands in the list for a keyword with those above it."""
        if not self.mark:
            return path[-1]
        return self.mark.join(level.replace(self.mark, INSTEAD[self.mark]) for level in path)

    def levels(self, entry: str) -> KeywordPath:
        """Return a keyword with those above it."""
        if not self.mark:
            return (entry,)
        parts = (part.strip() for part in entry.split(self.mark))
        return tuple(part for part in parts if part) or (entry,)


SUBJECT = Kind(DC, "dc", "subject")
TAGS_LIST = Kind(DIGIKAM, "digiKam", "TagsList", "/")
HIERARCHICAL = Kind(LIGHTROOM, "lr", "hierarchicalSubject", "|")
KINDS = (SUBJECT, TAGS_LIST, HIERARCHICAL)


@dataclass(frozen=True)
class Listed:
    """One list of a file.

    Attributes:
        entries: as they are in the file; None where it has no such list.
        written: those that a run of imlgcn has added.
        removed: those that it has added and a person has taken out.
    """

    entries: tuple[str, ...] | None = None
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


Lists = Mapping[Kind, Listed]


def same(text: str) -> str:
    """Return what two spellings of an entry have in common."""
    return normalize("NFC", text).casefold()


def _key(text: str) -> str:
    r"""Return by what a keyword is known in all lists; a ``|`` may be ``/`` or ``\`` in others."""
    return same(text).replace("|", "/").replace("\\", "/")


def updated(lists: Lists, tags: Sequence[NamedPaths], inside: Keywords) -> Lists:
    """Return the lists of a file after a run.

    Args:
        lists: of the file as it is.
        tags: of the image now.
        inside: the keywords in the image itself, which a new list takes over: some programs then
            read the file alone.

    >>> dog = NamedPaths("dog", (("animal", "dog"),))
    >>> found = updated({kind: Listed() for kind in KINDS}, [dog], Keywords())
    >>> [found[kind].entries for kind in KINDS]
    [('dog',), ('animal/dog',), ('animal|dog',)]
    """
    work = {kind: _Work.of(kind, lists[kind]) for kind in KINDS}
    given_again = {key for one in work.values() for key in one.given_again}
    for one in work.values():
        one.forget(given_again)
    theirs = {key for one in work.values() for key in one.their_keys}
    refused = {key for one in work.values() for key in one.gone_keys} - theirs
    wanted = [tag for tag in tags if _key(tag.name) not in refused]
    kinds = _kinds_to_write(lists, wanted, inside)
    keys = {_key(tag.name) for tag in wanted}
    for kind, one in work.items():
        one.drop(refused)
        one.keep([entry for tag in wanted for entry in _entries(kind, tag)], theirs - keys)
    if wanted:
        for kind in kinds:
            if work[kind].is_new:
                work[kind].take_over(_known(work, kind, inside), keys)
            work[kind].add(wanted)
    return {kind: one.listed() for kind, one in work.items()}


def without_taken_out(tags: Iterable[NamedPaths], lists: Lists) -> list[NamedPaths]:
    """Return the tags that a person has not taken out of these lists, of another file."""
    work = [_Work.of(kind, lists[kind]) for kind in KINDS]
    theirs = {key for one in work for key in one.their_keys}
    out = {key for one in work for key in one.gone_keys} - theirs
    return [tag for tag in tags if _key(tag.name) not in out]


def _kinds_to_write(lists: Lists, tags: Iterable[NamedPaths], inside: Keywords) -> Sequence[Kind]:
    there = [kind for kind in KINDS if lists[kind].entries is not None and kind.mark]
    if not (inside.paths or any(len(path) > 1 for tag in tags for path in tag.paths)):
        return (SUBJECT, *there)
    return (SUBJECT, HIERARCHICAL) if there == [HIERARCHICAL] else KINDS


def _entries(kind: Kind, tag: NamedPaths) -> list[str]:
    return list(dict.fromkeys(kind.entry(path) for path in tag.paths or ((tag.name,),)))


def _known(work: Mapping[Kind, _Work], kind: Kind, inside: Keywords) -> list[KeywordPath]:
    """Return the keywords that are not ours, those with levels first; for a plain list the last."""
    own_file = [(other, entry) for other, one in work.items() for entry in one.theirs]
    paths = [other.levels(entry) for other, entry in own_file if other.mark]
    flat = [(entry,) for other, entry in own_file if not other.mark]
    if not kind.mark:
        return [*((plain,) for plain in inside.plain), *inside.paths, *flat, *paths]
    return [*paths, *inside.paths, *flat, *((plain,) for plain in inside.plain)]


@dataclass
class _Work:
    """A list while it is changed."""

    kind: Kind
    entries: list[str]
    theirs: list[str]  # of the entries those that a person wrote
    written: dict[str, str]  # by what their spellings have in common
    removed: dict[str, str]
    is_new: bool
    had: bool
    their_keys: set[str] = field(default_factory=set)
    gone_keys: set[str] = field(default_factory=set)
    given_again: set[str] = field(default_factory=set)  # by a person who had taken them out

    @classmethod
    def of(cls, kind: Kind, listed: Listed) -> _Work:
        entries = list(listed.entries or ())
        here = {same(entry) for entry in entries}
        before = {same(entry): entry for entry in listed.written}
        removed = {same(entry): entry for entry in listed.removed}
        removed |= {known: entry for known, entry in before.items() if known not in here}
        written = {known: entry for known, entry in before.items() if known in here}
        theirs = [entry for entry in entries if same(entry) not in written]
        is_new = listed.entries is None and not before and not listed.removed
        work = cls(kind, entries, theirs, written, removed, is_new, listed.entries is not None)
        work.their_keys = {work.key(entry) for entry in theirs}
        work.gone_keys = {work.key(entry) for entry in removed.values()}
        work.given_again = {work.key(entry) for entry in listed.removed if same(entry) in here}
        return work

    def key(self, entry: str) -> str:
        """Return by what the keyword of an entry is known."""
        return _key(self.kind.levels(entry)[-1])

    def forget(self, given_again: set[str]) -> None:
        """Forget that a person took out keywords that are theirs now."""
        self.removed = {k: e for k, e in self.removed.items() if self.key(e) not in given_again}
        self.gone_keys -= given_again

    def drop(self, refused: set[str]) -> None:
        """Take out what is left of tags that a person has taken out of another list."""
        gone = {known: e for known, e in self.written.items() if self.key(e) in refused}
        self.removed |= gone
        self._take_out(gone)

    def keep(self, wanted: Iterable[str], theirs: set[str]) -> None:
        """Take out what was written, is no longer wanted and is not a keyword of a person."""
        kept = {same(entry) for entry in wanted}
        self._take_out(
            known
            for known, entry in self.written.items()
            if known not in kept and self.key(entry) not in theirs
        )

    def _take_out(self, gone: Iterable[str]) -> None:
        out = set(gone)
        self.entries = [entry for entry in self.entries if same(entry) not in out]
        self.written = {known: e for known, e in self.written.items() if known not in out}

    def take_over(self, paths: Iterable[KeywordPath], wanted: set[str]) -> None:
        """Add keywords that a person wrote elsewhere and that no entry has at any level.

        Of the ``wanted`` tags, which have their places, only those with a place of their own.
        """
        have: set[str] = set()
        for path in paths:
            is_wanted = self.kind.mark and len(path) == 1 and _key(path[0]) in wanted
            if _key(path[-1]) not in have and not is_wanted:
                self.entries.append(self.kind.entry(path))
                have.update(map(_key, path if self.kind.mark else path[-1:]))
                self.their_keys.add(_key(path[-1]))

    def add(self, tags: Iterable[NamedPaths]) -> None:
        """Add the tags that a person has neither given nor taken out of this list."""
        here = {same(entry) for entry in self.entries}
        for tag in tags:
            if _key(tag.name) in self.their_keys | self.gone_keys:
                continue
            for entry in _entries(self.kind, tag):
                if same(entry) not in here:
                    here.add(same(entry))
                    self.entries.append(entry)
                    self.written[same(entry)] = entry

    def listed(self) -> Listed:
        """Return the list as it is now."""
        entries = tuple(self.entries) if self.entries or self.had else None
        return Listed(entries, tuple(self.written.values()), tuple(self.removed.values()))
