"""A folder of photos whose keywords are their labels: XMP sidecars, embedded XMP, IPTC, EXIF.

What photo managers write (digiKam, Lightroom, darktable, Shotwell, Windows), and ``imlgcn predict
--xmp``; :mod:`imlgcn.data.photo_keywords` says where it is. An image without any keyword is not
known to show nothing: it is left out.

A keyword below others, ``Places|Beach``, is the label ``Beach``. A level above, ``Places``, is a
label only where some image has it as its own keyword; then every image with a keyword below it has
it, too. Levels that programs also write into the plain list are treated alike.

What ``imlgcn predict --xmp`` has written, and no person, is not known to be right: such a label is
unknown for the image, and an image with nothing else is left out.

Variants: ``keywords`` (default, as above), ``parents`` (every level is a label), ``paths`` (the
label is ``Places/Beach``); ``unreviewed`` (default, as above), ``reviewed`` (a person has looked
through what was written: it counts as given).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from imlgcn.data.formats import label_folders
from imlgcn.data.formats.base import ReadOptions, Record, Source, choose, unwrap
from imlgcn.data.formats.delimiters import split_cells
from imlgcn.data.formats.layout import (
    is_image,
    splits_of_folders,
    visible_files,
    visible_images,
)
from imlgcn.data.photo_keywords import PhotoKeywords, photo_keywords
from imlgcn.data.xmp import KeywordPath, Keywords, folded
from imlgcn.errors import InputError
from imlgcn.numbers import first_of, plural

NAME = "keywords"
OPTIONS = ("delimiter",)
VARIANTS = {"levels": ("keywords", "parents", "paths"), "tags": ("unreviewed", "reviewed")}
NUM_LOOKED_AT = 100  # images, to recognise a folder
INTERNAL = frozenset(("darktable", "_digikam_internal_tags_"))  # first levels of a program's notes


def recognise(source: Path | str) -> str | None:
    """Recognise a folder by some of its images; folders of labels need keywords in most."""
    path = Path(source)
    if not path.is_dir():
        return None
    images = visible_images(unwrap(path))
    some = images[:: len(images) // NUM_LOOKED_AT + 1]
    tagged = sum(bool(_own_paths(photo_keywords(image))) for image in some)
    if not tagged or (2 * tagged < len(some) and label_folders.recognise(path)):
        return None
    return f"{tagged} of {plural(len(some), 'image')} looked at have keywords"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the keywords of every image."""
    chosen = choose(options.variant, NAME, VARIANTS)
    levels = chosen["levels"]
    folder = unwrap(Path(source))
    files = list(visible_files(folder))
    images = [file for file in files if is_image(file)]
    found: dict[Path, PhotoKeywords] = {}
    with options.progress.bar("Reading keywords", len(images)) as advance:
        for image in images:
            found[image] = photo_keywords(image)
            advance(1)
    every = {image: _own_paths(keywords, options.delimiter) for image, keywords in found.items()}
    own = every
    if chosen["tags"] == "unreviewed":
        given = {image: keywords.by_people() for image, keywords in found.items()}
        own = {image: _own_paths(keywords, options.delimiter) for image, keywords in given.items()}
    tagged = {image: paths for image, paths in own.items() if paths}
    if not tagged:
        raise InputError(_no_keywords(folder, images, found, every))
    labels = _labels(list(tagged.values()), levels)
    names = sorted({label for present in labels for label in present})
    unknown = _unknown([every[image] for image in tagged], labels, names, levels)
    inside = {image: image.relative_to(folder).as_posix() for image in tagged}
    splits = splits_of_folders(list(inside.values())) or [None] * len(inside)
    records = [
        Record(inside[image], image, present, unknown=doubtful, split=split)
        for image, present, doubtful, split in zip(tagged, labels, unknown, splits, strict=True)
    ]
    parents = [] if levels == "paths" else _parents(tagged.values(), names)
    notes = [
        f"{len(tagged):,} of {plural(len(images), 'image')} have keywords",
        *_left_out(images, found, own),
        *_about_tags(own, every),
        *_orphans(files),
        *_about_levels(tagged.values(), labels, levels),
        *_about_parents(parents),
        *(["its folders are the splits"] if any(splits) else []),
    ]
    return Source(names, records, NAME, f"{NAME}: {'; '.join(notes)}", parents=parents)


def _own_paths(found: PhotoKeywords, delimiter: str | None = None) -> list[KeywordPath]:
    """Return the keywords of an image with the levels above them, without those levels alone."""
    paths: dict[KeywordPath, KeywordPath] = {}  # by their spelling in lower case
    for keywords in (found.sidecar, found.embedded):
        plain = [
            _stripped(part, "|") for entry in keywords.plain for part in _cut(entry, delimiter)
        ]
        for path in (*keywords.paths, *plain):
            paths.setdefault(tuple(level.casefold() for level in path), path)
    above = {folded[:length] for folded in paths for length in range(1, len(folded))}
    levels = {level for folded in paths if len(folded) > 1 for level in folded}
    return [
        path
        for folded, path in paths.items()
        if folded and folded[0] not in INTERNAL and folded not in above
        if len(folded) > 1 or folded[0] not in levels
    ]


def _cut(entry: str, delimiter: str | None) -> Sequence[str]:
    return split_cells([entry], delimiter).rows[0][0] if delimiter else [entry]


def _stripped(entry: str, mark: str) -> KeywordPath:
    return tuple(level for part in entry.split(mark) if (level := part.strip()))


def _labels(rows: list[list[KeywordPath]], levels: str) -> list[tuple[str, ...]]:
    if levels == "paths":
        return [tuple("/".join(path) for path in row) for row in rows]
    own = {path[-1] for row in rows for path in row}
    return [
        tuple(
            dict.fromkeys(
                level for path in row for level in path if levels == "parents" or level in own
            )
        )
        for row in rows
    ]


def _unknown(
    every: list[list[KeywordPath]],
    labels: list[tuple[str, ...]],
    names: Iterable[str],
    levels: str,
) -> list[tuple[str, ...]]:
    """Return the labels of each image that a tagger gave and nobody else, in any spelling."""
    alike = {folded((name,)): name for name in names}
    guessed = _labels(every, "paths" if levels == "paths" else "parents")
    found = [dict.fromkeys(alike.get(folded((label,)), "") for label in row) for row in guessed]
    return [
        tuple(name for name in row if name and name not in present)
        for row, present in zip(found, labels, strict=True)
    ]


def _left_out(
    images: list[Path],
    found: Mapping[Path, PhotoKeywords],
    own: Mapping[Path, list[KeywordPath]],
) -> list[str]:
    notes = []
    if without := len(images) - sum(map(bool, own.values())):
        notes.append(f"left out: {without:,} without any")
    if problems := [keywords.problem for keywords in found.values() if keywords.problem]:
        notes.append(f"{len(problems):,} could not be looked into ({problems[0]})")
    only_inside = sum(
        len(own[image]) > len(_own_paths(keywords._replace(embedded=Keywords()))) > 0
        for image, keywords in found.items()
    )
    if only_inside:
        notes.append(f"{only_inside:,} have keywords inside that their sidecars lack: both count")
    return notes


def _about_tags(
    own: Mapping[Path, list[KeywordPath]], every: Mapping[Path, list[KeywordPath]]
) -> list[str]:
    """Say how many images have tags that imlgcn wrote, where these are unknown."""
    count = sum(every[image] != paths for image, paths in own.items())
    if not count:
        return []
    return [
        f"{plural(count, 'image')} with tags that imlgcn wrote: these are unknown, not present; "
        "once you have looked through them, variant=reviewed counts them"
    ]


def _orphans(files: list[Path]) -> list[str]:
    """Say how many sidecars belong to files that are not images here, such as RAW files."""
    images = {file for file in files if is_image(file)}
    known = images | {image.with_suffix("") for image in images}
    count = sum(f.suffix.lower() == ".xmp" and f.with_suffix("") not in known for f in files)
    return [f"{plural(count, 'sidecar')} of no image of a known format"] if count else []


def _about_levels(
    rows: Iterable[list[KeywordPath]], labels: list[tuple[str, ...]], levels: str
) -> list[str]:
    above = defaultdict(set)
    for row in rows:
        for path in row:
            above[path[-1]].add(path[:-1])
    used = {label for present in labels for label in present}
    unused = {level for places in above.values() for place in places for level in place} - used
    notes = []
    if levels == "keywords" and unused:
        notes.append(
            f"levels above a keyword are not labels ({first_of(sorted(unused))}); "
            "with variant=parents they are"
        )
    several = sorted(name for name, places in above.items() if len(places - {()}) > 1)
    if levels != "paths" and several:
        first = several[0]
        places = " and ".join(sorted("/".join(place) for place in above[first] - {()})[:2])
        notes.append(
            f"{first!r} is below {places}, but one label; variant=paths tells such keywords "
            f"apart ({first_of(several)})"
        )
    return notes


def _parents(rows: Iterable[list[KeywordPath]], names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each label with the one that it is below, (child, parent), if that is one alone.

    Left out are labels in several places, which are one label, and those in a circle.
    """
    known = set(names)
    above = defaultdict(set)
    for row in rows:
        for path in row:
            for parent, child in pairwise(level for level in path if level in known):
                above[child].add(parent)
    single = {child: next(iter(found)) for child, found in above.items() if len(found) == 1}
    return sorted(pair for pair in single.items() if not _is_in_circle(pair[0], single))


def _is_in_circle(child: str, above: Mapping[str, str]) -> bool:
    seen = {child}
    while (child := above.get(child, "")) and child not in seen:
        seen.add(child)
    return bool(child)


def _about_parents(parents: Sequence[tuple[str, str]]) -> list[str]:
    if not parents:
        return []
    verb = "is" if len(parents) == 1 else "are"
    child, parent = parents[0]
    return [
        f"{plural(len(parents), 'label')} {verb} below another ({child!r} below {parent!r}): "
        "`imlgcn check --propose-parents` offers that to a label table"
    ]


def _no_keywords(
    folder: Path,
    images: list[Path],
    found: Mapping[Path, PhotoKeywords],
    every: Mapping[Path, list[KeywordPath]],
) -> str:
    if not images:
        return f"{folder}: holds no images"
    if any(every.values()):
        return (
            f"{folder}: all keywords are tags that imlgcn wrote; once you have looked through "
            "them, variant=reviewed takes them as yours"
        )
    problems = [keywords.problem for keywords in found.values() if keywords.problem]
    first = f"; {len(problems):,} could not be looked into ({problems[0]})" if problems else ""
    return (
        f"{folder}: none of {plural(len(images), 'image')} has keywords, in an .xmp beside it or "
        f"inside (XMP, IPTC, EXIF){first}; have your photo manager write them to the files"
    )
