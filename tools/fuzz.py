"""Fuzz what reads files, led by coverage: `python tools/fuzz.py TARGET -max_total_time=600`.

Needs `pip install atheris` (Linux). TARGET is `readers`, `model`, `settings`, `label-table` or
`images`; what follows it goes to libFuzzer. Anything but an `InputError` ends the run, and so does
an input that takes ten seconds; it is written to a file, which can be given instead of options.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import atheris
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "data"), str(ROOT / "tests/data/formats")]
WORK = Path(tempfile.mkdtemp(prefix="fuzz-"))
os.environ["IMLGCN_CACHE"] = str(WORK / "cache")

with atheris.instrument_imports(include=["imlgcn"]):
    from file_samples import FILE_SAMPLES
    from imlgcn.config import train_settings
    from imlgcn.data.dataset import load_dataset
    from imlgcn.data.images import open_image
    from imlgcn.data.label_table_file import check_label_table
    from imlgcn.errors import InputError
    from imlgcn.tagger.config_file import read_config
    from imlgcn.tagger.info import parse_info
    from tool_samples import SAMPLES

GOLDEN = ROOT / "tests" / "golden" / "format_1" / "model.json"
TEXTS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".lst", ".xmp", ".cls")


class Readers:
    """The first two bytes choose a sample and one of its files; the others are its content."""

    def __init__(self) -> None:
        self.places = []
        for number, sample in enumerate([*SAMPLES, *FILE_SAMPLES]):
            folder = WORK / str(number)
            folder.mkdir()
            sample.write(folder)
            files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in TEXTS]
            self.places += [(folder, file, sample.reader, file.read_bytes()) for file in files[:2]]

    def seeds(self) -> Iterator[bytes]:
        """Yield inputs to start from."""
        for number, place in enumerate(self.places):
            yield number.to_bytes(2) + place[3]

    def run(self, content: bytes) -> None:
        """Read one input."""
        number = int.from_bytes(content[:2]) % len(self.places)
        folder, file, reader, good = self.places[number]
        file.write_bytes(content[2:])
        try:
            for data, how in ((folder, None), (file, None), (folder, reader)):
                documented(load_dataset, data, reader=how)
        finally:
            file.write_bytes(good)


class Text:
    """One file's content, for a function of its path."""

    def __init__(self, name: str, seed: bytes, read: Callable[[Path], object]) -> None:
        self.path, self.seed, self.read = WORK / name, seed, read

    def seeds(self) -> Iterator[bytes]:
        """Yield inputs to start from."""
        yield self.seed

    def run(self, content: bytes) -> None:
        """Read one input."""
        self.path.write_bytes(content)
        documented(self.read, self.path)


class Images:
    """Bytes that may be an image."""

    def seeds(self) -> Iterator[bytes]:
        """Yield inputs to start from."""
        image = Image.effect_noise((24, 16), 60)
        for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
            for mode in ("RGB", "L"):
                file = io.BytesIO()
                image.convert(mode).save(
                    file, kind, **({"exif": Image.Exif()} if kind == "JPEG" else {})
                )
                yield file.getvalue()

    def run(self, content: bytes) -> None:
        """Read one input."""
        documented(open_image, content, size=16)


def documented(function: Callable[..., object], *arguments: object, **options: object) -> None:
    """Call a function that may raise what its documentation says."""
    with suppress(InputError):
        function(*arguments, **options)


TARGETS = {
    "readers": Readers,
    "model": lambda: Text(
        "model.json", GOLDEN.read_bytes(), lambda p: parse_info(p.read_text("utf-8", "replace"), p)
    ),
    "settings": lambda: Text(
        "s.yaml", b"seed: 3\nhead_training: {epochs: 4}\n", lambda p: train_settings(read_config(p))
    ),
    "label-table": lambda: Text(
        "t.csv",
        b"label,show,name,parents\nsea,yes,Sea,water\n",
        lambda p: check_label_table(p, ["sea"]),
    ),
    "images": Images,
}


def main() -> None:
    """Fuzz one target from its seeds."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(__doc__)
    target = TARGETS[sys.argv[1]]()
    corpus = WORK / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = ["-timeout=10", "-rss_limit_mb=2500", *sys.argv[2:]]
    inputs = [] if any(not option.startswith("-") for option in sys.argv[2:]) else [str(corpus)]
    atheris.Setup([sys.argv[0], *options, *inputs], target.run)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    main()
