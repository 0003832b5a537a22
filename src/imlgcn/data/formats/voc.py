"""PASCAL VOC: the folder of one year (``VOC2007``), or the ``VOCdevkit`` that holds it.

http://host.robots.ox.ac.uk/pascal/VOC/. ``ImageSets/Main/{train,val,trainval,test}.txt`` list the
images in ``JPEGImages``. Labels come from ``Annotations/*.xml`` or, if that folder is missing, from
``ImageSets/Main/<class>_<list>.txt`` with 1 present, **-1 absent and 0 difficult**, unlike targets
here, where -1 is unknown and 0 absent.

Variants:
    - How to treat a label with only difficult objects in an image: ``difficult-unknown`` (default;
      neither trained nor evaluated, as in the challenge), ``difficult-present`` (ML-GCN's training;
      Intel's lists) or ``difficult-absent`` (SSGRL, C-Tran, DDA-MLIC).
    - With a labelled test set (2007), trainval is the training split, as in the papers, of which
      ``imlgcn train`` holds some out; ``keep-val`` keeps val.txt as validation. Without one (2012)
      train.txt and val.txt are the splits.

Other data in this layout has the labels that its files name, in alphabetical order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    choose,
    read_lines,
    unwrap,
)
from imlgcn.data.formats.image_files import find_root
from imlgcn.data.formats.xml_file import read_xml
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.labels.known_names import VOC
from imlgcn.numbers import plural

NAME = "voc"
OPTIONS = ("images",)
VARIANTS = {
    "difficult": ("difficult-unknown", "difficult-present", "difficult-absent"),
    "val": ("trainval", "keep-val"),
}
CODES = {"1": "present", "-1": "absent", "0": "difficult"}


@dataclass
class Labels:
    """Labels of one image with a plain object, and those with difficult objects only."""

    plain: set[str] = field(default_factory=set)
    difficult: set[str] = field(default_factory=set)


def recognise(source: Path | str) -> str | None:
    """Recognise a folder with ImageSets/Main, itself or one level down."""
    path = Path(source)
    years = _years(path) if path.is_dir() else []
    if not years or _has_no_splits(years[0]):
        return None
    return f"{years[0].name} holds ImageSets/Main"


def _has_no_splits(folder: Path) -> bool:
    """Return whether the only list is default.txt, as CVAT exports it: pascal_xml reads that."""
    names = {file.stem for file in (folder / "ImageSets" / "Main").glob("*.txt")}
    return "default" in names and not names & {"train", "val", "trainval"}


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the labels of one year."""
    choices = choose(options.variant, NAME, VARIANTS)
    folder = _one_year(Path(source))
    found: dict[str, tuple[str, Labels]] = {}
    left_out = ""
    for split, name in _lists(folder, keep_val=choices["val"] == "keep-val"):
        images = read_lines(folder / "ImageSets" / "Main" / f"{name}.txt")
        if name == "test" and not _is_labelled(folder, name, images):
            left_out = f"; left out: {plural(len(images), 'image')} of {name}.txt without labels"
            continue
        if twice := found.keys() & set(images):
            raise InputError(f"{folder}: {min(twice)} is in {name}.txt and in another list")
        found |= {image: (split, shown) for image, shown in _labels(folder, name, images).items()}
    if not found:
        raise InputError(f"{folder}: has no labels for any of the images in ImageSets/Main")
    names = _names(labels for _, labels in found.values())
    difficult = choices["difficult"].removeprefix("difficult-")
    where = _image_files(folder, list(found), options.images)
    records = [
        _record(image, where[image], labels, split, difficult)
        for image, (split, labels) in found.items()
    ]
    reason = f"{NAME}: {options.why}; difficult objects are {difficult}"
    return Source(names, records, NAME, reason + left_out, _published(folder, names, difficult))


def _years(path: Path) -> list[Path]:
    folder = unwrap(path)
    if (folder / "ImageSets" / "Main").is_dir():
        return [folder]
    inside = folder / "VOCdevkit" if (folder / "VOCdevkit").is_dir() else folder
    with os.scandir(inside) as listed:
        folders = [inside / entry.name for entry in listed if entry.is_dir()]
    return sorted(entry for entry in folders if (entry / "ImageSets" / "Main").is_dir())


def _one_year(path: Path) -> Path:
    years = _years(path) if path.is_dir() else []
    if len(years) == 1:
        return years[0]
    if not years:
        raise InputError(f"{path}: is not a VOC folder; expected ImageSets/Main in it")
    raise InputError(
        f"{path}: holds {', '.join(y.name for y in years)}; give one, such as {years[0]}"
    )


def _lists(folder: Path, *, keep_val: bool) -> list[tuple[str, str]]:
    """Return the splits and their lists (file names without .txt)."""
    main = folder / "ImageSets" / "Main"
    names = [n for n in ("train", "val", "trainval", "test") if (main / f"{n}.txt").is_file()]
    whole = ["trainval"] if "trainval" in names else [n for n in ("train", "val") if n in names]
    if not whole:
        raise InputError(f"{main}: has none of train.txt, val.txt, trainval.txt")
    test = [("test", "test")] if "test" in names else []
    has_test = bool(test) and _is_labelled(folder, "test", read_lines(main / "test.txt"))
    if (has_test and not keep_val) or not {"train", "val"} <= set(names):
        return [*(("train", name) for name in whole), *test]
    return [("train", "train"), ("val", "val"), *test]


def _is_labelled(folder: Path, name: str, images: Sequence[str]) -> bool:
    """Return whether the images of a list have labels; those of test sets after 2007 have none."""
    if (annotations := folder / "Annotations").is_dir():
        return any(os.path.isfile(annotations / f"{image}.xml") for image in images)
    return any((folder / "ImageSets" / "Main").glob(f"*_{name}.txt"))


def _labels(folder: Path, name: str, images: Sequence[str]) -> dict[str, Labels]:
    """Return the labels of a list's images."""
    if (folder / "Annotations").is_dir():
        files = {image: folder / "Annotations" / f"{image}.xml" for image in images}
        missing = [file for file in files.values() if not os.path.isfile(file)]
        if missing:
            others = f" ({len(missing)} of {len(files)} are)" if len(missing) > 1 else ""
            raise InputError(
                f"{missing[0]}: the annotation of an image in {name}.txt is missing{others}; copy "
                "it, or remove the image from the list"
            )
        return {image: read_objects(file) for image, file in files.items()}
    return _read_lists(folder / "ImageSets" / "Main", name, images)


def read_objects(path: Path) -> Labels:
    """Return the labels of the objects of one annotation."""
    labels = Labels()
    for element in read_xml(path).findall("object"):  # top level only: parts have names, too
        name = (element.findtext("name") or "").strip()
        if not name:
            raise InputError(f"{path}: an object has no name; give it one, or remove it")
        plain = (element.findtext("difficult") or "0").strip() != "1"
        (labels.plain if plain else labels.difficult).add(name)
    labels.difficult -= labels.plain
    return labels


def _read_lists(main: Path, name: str, images: Sequence[str]) -> dict[str, Labels]:
    suffix = f"_{name}.txt"
    files = {file.name.removesuffix(suffix): file for file in sorted(main.glob(f"*{suffix}"))}
    if set(files) < set(VOC):
        raise InputError(
            f"{main}: has no {min(set(VOC) - set(files))}{suffix}; there must be one for each "
            "label, or the folder Annotations next to ImageSets"
        )
    labels = {image: Labels() for image in images}
    for label, file in files.items():
        codes = _read_codes(file)
        if without := [image for image in images if image not in codes]:
            raise InputError(f"{file}: lacks {without[0]}, which is in {name}.txt")
        for image in images:
            if codes[image] == "present":
                labels[image].plain.add(label)
            elif codes[image] == "difficult":
                labels[image].difficult.add(label)
    return labels


def _read_codes(path: Path) -> dict[str, str]:
    """Return present, absent or difficult for each image of a list of one class."""
    codes = {}
    for number, line in enumerate(read_lines(path), start=1):
        image, _, code = line.rpartition(" ")
        if not image or code not in CODES:
            raise InputError(
                f"{path}, line {number}: expected an image and 1, -1 or 0; got {line!r}"
            )
        codes[image.strip()] = CODES[code]
    return codes


def _names(found: Iterable[Labels]) -> list[str]:
    """Return the 20 classes, or the labels found if one of them is not a VOC class."""
    names = {name for labels in found for name in labels.plain | labels.difficult}
    return list(VOC) if names <= set(VOC) else sorted(names)


def _record(image: str, path: Path, labels: Labels, split: str, difficult: str) -> Record:
    present = labels.plain | (labels.difficult if difficult == "present" else set())
    unknown = labels.difficult if difficult == "unknown" else set()
    return Record(path.name, path, tuple(sorted(present)), tuple(sorted(unknown)), split)


def _image_files(folder: Path, images: Sequence[str], given: Sequence[Path]) -> dict[str, Path]:
    """Return the file of each image; if missing a .jpg, for the check to report."""
    roots = list(given) or [folder.absolute() / "JPEGImages"]
    entries = [entry for root in roots if root.is_dir() for entry in sorted(root.iterdir())]
    by_stem = {entry.stem: entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES}
    files = {image: by_stem.get(image, roots[0] / f"{image}.jpg") for image in images}
    find_root([file.name for file in files.values()], roots, folder, ())
    return files


def _published(folder: Path, names: Sequence[str], difficult: str) -> str:
    year = re.fullmatch(r"VOC(2007|2012)", folder.resolve().name)
    if year is None or tuple(names) != VOC:
        return ""
    as_present = year[1] == "2007" and difficult == "present"
    return f"VOC{year[1]}{', difficult present' if as_present else ''}"
