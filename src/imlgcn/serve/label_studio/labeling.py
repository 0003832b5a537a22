"""The labeling configuration of a Label Studio project: which choices an image gets, and where.

https://labelstud.io/tags/choices and https://labelstud.io/tags/taxonomy. A choice stands for the
label of the tagger that has its alias, or else its value, as name; a choice inside another is below
it. An answer holds the alias where there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.etree import ElementTree

from imlgcn.data.formats.xml_file import DoctypeError, plain_xml
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import shortened
from imlgcn.serve.errors import ApiError
from imlgcn.serve.limits import LABEL

MOST = 1_000_000  # characters of a configuration
DEEPEST = 16  # levels of choices, and of what is between them
KINDS = ("choices", "taxonomy")
EXAMPLE = (
    '<View><Image name="image" value="$image"/><Choices name="labels" toName="image" '
    'choice="multiple"><Choice value="sea"/><Choice value="boat"/></Choices></View>'
)
Path = tuple[str, ...]  # of a choice: the names of those above it, and its own


@dataclass(frozen=True)
class Control:
    """A tag of the configuration that people answer: its name, the image's, and its choices.

    Attributes:
        name: of the tag.
        to: the name of the image's tag.
        kind: ``choices`` or ``taxonomy``.
        choices: each choice, by what an answer calls it.
    """

    name: str
    to: str
    kind: str
    choices: tuple[Path, ...]

    def region(self, names: Collection[str]) -> dict[str, Any] | None:
        """Return the answer in which ``names`` are chosen; None where none is a choice here."""
        chosen = [path for path in self.choices if path[-1] in names]
        if not chosen:
            return None
        # an answer of nested choices has those above, too
        nested = self.kind == "taxonomy" or any(len(path) > 1 for path in self.choices)
        value = [list(path) if nested else path[-1] for path in chosen]
        return {
            "from_name": self.name,
            "to_name": self.to,
            "type": self.kind,
            "value": {self.kind: value},
        }

    def chosen(self, given: Mapping[tuple[str, str], Collection[Path]]) -> Iterator[str]:
        """Yield the names of chosen paths; of a single name, those above it as well."""
        paths = given.get((self.name, self.kind), ())
        for path in self.choices:
            if path in paths or path[-1:] in paths:
                yield from path


@dataclass(frozen=True)
class Labeling:
    """What a configuration asks about an image: ``variable`` is the key of a task's data."""

    variable: str
    controls: tuple[Control, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The name of every choice."""
        paths = (path for control in self.controls for path in control.choices)
        return frozenset(name for path in paths for name in path)

    def regions(self, names: Collection[str]) -> list[dict[str, Any]]:
        """Return the results of a prediction in which these choices are chosen."""
        return [found for control in self.controls if (found := control.region(names)) is not None]

    def answers(self, result: Any) -> dict[str, int]:
        """Return what the result of an annotation says: name -> 1 it shows it, 0 it does not.

        A choice that could be chosen and was not is absent; those above a chosen one are present.

        Raises:
            ApiError: 422, it is not a result.
        """
        if not isinstance(result, list):
            raise ApiError(422, "bad_annotation", "the annotation has no list `result`")
        given = _given(result)
        chosen = {name for control in self.controls for name in control.chosen(given)}
        return {name: int(name in chosen) for name in sorted(self.names)}


def _given(result: list[Any]) -> dict[tuple[str, str], set[Path]]:
    """Return what was chosen, by the name and kind of its tag: whole paths, or names alone."""
    found: dict[tuple[str, str], set[Path]] = {}
    for region in result:
        if not isinstance(region, dict) or not isinstance(value := region.get("value"), dict):
            continue
        name = region.get("from_name")
        for kind in KINDS:
            if isinstance(name, str) and isinstance(given := value.get(kind), list):
                found.setdefault((name, kind), set()).update(map(_path, given))
    return found


def _path(answer: Any) -> Path:
    parts = answer if isinstance(answer, list) else [answer]
    return tuple(part for part in parts if isinstance(part, str))


def read_labeling(text: Any) -> Labeling:
    """Return what a configuration asks about an image.

    Raises:
        ApiError: 422, one sentence that says what is missing.
    """
    root = _root(text)
    images = {tag.get("name"): tag for tag in root.iter() if tag.tag == "Image"}
    if not images:
        raise _wrong("it has no <Image> tag")
    asked = [tag for tag in root.iter() if tag.tag in ("Choices", "Taxonomy")]
    asked = [tag for tag in asked if tag.get("perRegion", "").lower() != "true"]
    asked = [tag for tag in asked if tag.get("toName") in images]
    if not asked:
        raise _wrong("no <Choices> or <Taxonomy> tag is for its image")
    shown = {tag.get("toName") for tag in asked}
    if len(shown) > 1:
        raise _wrong("it asks about several images of a task; the tagger sees one")
    variable = images[shown.pop()].get("value", "")
    if not variable.startswith("$") or len(variable) < 2:
        raise _wrong('its <Image> takes no variable of the task; write value="$image"')
    return Labeling(variable[1:], tuple(map(_control, asked)))


def _control(tag: ElementTree.Element) -> Control:
    name = tag.get("name", "")
    if tag.tag == "Choices" and tag.get("choice", "single") != "multiple":
        message = f'<Choices name="{name}"> lets people choose one label only; write choice='
        raise _wrong(f'{message}"multiple"')
    choices = tuple(_paths(tag, ()))
    if not choices:
        raise _wrong(f'<{tag.tag} name="{name}"> lists no <Choice> tags')
    return Control(name, tag.get("toName", ""), tag.tag.lower(), choices)


def _paths(tag: ElementTree.Element, above: Path, level: int = 0) -> Iterator[Path]:
    if level > DEEPEST:
        raise _wrong(f"its choices nest deeper than {DEEPEST} levels")
    for child in tag:
        own = child.get("alias") or child.get("value") if child.tag == "Choice" else None
        path = (*above, own.strip()) if own else above
        if own:
            if not path[-1].isprintable() or not 0 < len(path[-1]) <= LABEL:
                raise _wrong(f"the name of a choice is not a line of 1 to {LABEL} letters")
            yield path
        yield from _paths(child, path, level + 1)


def _root(text: Any) -> ElementTree.Element:
    if not isinstance(text, str) or not text.strip():
        raise _wrong("it is empty")
    if len(text) > MOST:
        raise _wrong(f"it has {len(text):,} characters, and {MOST:,} are taken")
    try:
        return plain_xml(text.encode())
    except DoctypeError:
        raise _wrong("it declares a document type or entities") from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise _wrong(f"it is not XML ({error})") from None


def _wrong(why: str) -> ApiError:
    message = f"the labeling configuration of the project does not fit: {shortened(why, 300)}"
    return ApiError(422, "bad_label_config", f"{message}. Such a one does: {EXAMPLE}")


def label_names(table: LabelTable) -> dict[str, str]:
    """Return the label for each name that a choice may have: its own, or what users read for it."""
    read = {table.name_of(label): label for label in table.labels}
    return read | {label: label for label in table.labels}
