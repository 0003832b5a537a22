r"""NUS-WIDE as its authors distribute it: lists of images, and a file of 0 and 1 per concept.

https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/NUS-WIDE.html.
``ImageList/{Train,Test}Imagelist.txt`` name the images (``actor\0001_2124494179.jpg``, with
backslashes), ``Groundtruth/TrainTestLabels/Labels_<concept>_{Train,Test}.txt`` contain a line for
each of them, ``ConceptsList/Concepts81.txt`` the concepts in order. Images are in ``Flickr``. Where
only ``ImageList/Imagelist.txt`` and ``Groundtruth/AllLabels`` are there, the data has no splits.

Variants: ``all`` (default), or ``labelled``: images without any concept are left out.
"""

from __future__ import annotations

from pathlib import Path

from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    choose,
    read_lines,
    unwrap,
)
from imlgcn.data.formats.image_files import locate
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "nus_wide"
OPTIONS = ("images",)
VARIANTS = {"images": ("all", "labelled")}
LABELS = Path("Groundtruth", "TrainTestLabels")
ALL_LABELS = Path("Groundtruth", "AllLabels")
# split, list of images, label file of a concept
PARTS: tuple[tuple[str | None, str, Path], ...] = (
    ("train", "TrainImagelist.txt", LABELS / "Labels_{}_Train.txt"),
    ("test", "TestImagelist.txt", LABELS / "Labels_{}_Test.txt"),
)
WHOLE: tuple[tuple[str | None, str, Path], ...] = (
    (None, "Imagelist.txt", ALL_LABELS / "Labels_{}.txt"),
)
NUM_CONCEPTS = 81


def recognise(source: Path | str) -> str | None:
    """Recognise a folder with Groundtruth/TrainTestLabels or Groundtruth/AllLabels."""
    path = Path(source)
    found = [
        name for name in (LABELS, ALL_LABELS) if path.is_dir() and (unwrap(path) / name).is_dir()
    ]
    return f"it holds {found[0].as_posix()}" if found else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read both parts, each a split, or all images without splits."""
    folder = unwrap(Path(source))
    labelled = choose(options.variant, NAME, VARIANTS)["images"] == "labelled"
    concepts = _concepts(folder)
    rows: list[tuple[str, list[str], str | None]] = []
    in_parts = (folder / LABELS).is_dir()
    for split, listed, labels in PARTS if in_parts else WHOLE:
        images = _image_names(folder / "ImageList" / listed)
        shown: list[list[str]] = [[] for _ in images]
        for concept in concepts:
            for row in _positives(folder / str(labels).format(concept), len(images)):
                shown[row].append(concept)
        rows += zip(images, shown, [split] * len(images), strict=True)
    kept = [row for row in rows if row[1] or not labelled]
    usual = [folder.absolute() / name for name in ("Flickr", "images", "Images", "")]
    files = locate([name for name, *_ in kept], folder, options.images, usual)
    records = [
        Record(name, file, tuple(labels), split=split)
        for (name, labels, split), file in zip(kept, files, strict=True)
    ]
    reason = f"{NAME}: {options.why}"
    if labelled:
        reason += f"; left out: {plural(len(rows) - len(kept), 'image')} with no concept"
    published = f"NUS-WIDE, {'labelled' if labelled else 'all'} images"
    known = in_parts and len(concepts) == NUM_CONCEPTS
    return Source(concepts, records, NAME, reason, published if known else "")


def _concepts(folder: Path) -> list[str]:
    for name in ("ConceptsList", "."):
        if (file := folder / name / "Concepts81.txt").is_file():
            return read_lines(file)
    raise InputError(f"{folder}: has no ConceptsList/Concepts81.txt, the list of concepts")


def _image_names(file: Path) -> list[str]:
    if not file.is_file():
        raise InputError(f"{file}: is missing; the label files refer to its lines")
    return [line.replace("\\", "/") for line in read_lines(file)]


def _positives(path: Path, num_images: int) -> list[int]:
    """Return the rows of the images that show a concept."""
    if not path.is_file():
        raise InputError(f"{path}: is missing; every concept needs one")
    values = read_lines(path)
    if len(values) != num_images:
        raise InputError(
            f"{path}: has {plural(len(values), 'line')} for {plural(num_images, 'image')}"
        )
    if wrong := set(values) - {"0", "1"}:
        line = values.index(min(wrong)) + 1
        raise InputError(f"{path}, line {line}: expected 0 or 1; got {min(wrong)!r}")
    return [row for row, value in enumerate(values) if value == "1"]
