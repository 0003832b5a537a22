"""The emoji set: 5,136 small pictures in three drawing styles with 323 labels, built anew.

    python -m benchmarks.emoji --out emoji
    python -m benchmarks.emoji --out emoji --proof emoji.zip

A second benchmark beside Open Clip Art. A label is a keyword of at least five unrelated emoji. The
column ``group`` keeps families and look-alikes together, and no group crosses the splits. Labels,
splits and groups are in ``emoji.csv`` beside this file; the pictures come from npm, 152 MB, and are
drawn on white, at most 96 pixels a side. ``--proof`` compares the result with a zip of the set.

Sources and their licences:

- noto: Google's Noto Emoji, in emoji-datasource-google 16.0.0 (MIT); images Apache-2.0, fonts OFL
- twemoji: Twemoji, in emoji-datasource-twitter 16.0.0 (MIT); images CC-BY 4.0
- fluent: Microsoft's Fluent Emoji, 3D, in @lobehub/fluent-emoji-3d 1.1.0 (MIT); images MIT
- labels: keywords of emojibase-data 17.0.0 (MIT)
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.errors import InputError
from imlgcn.files import cache_dir, write_atomic

TABLE = Path(__file__).with_name("emoji.csv")
SIDE = 96  # pixels; smaller pictures are not enlarged
WEBP = {"quality": 88, "method": 6}
VARIATION = "-fe0f"  # asks for a coloured picture; not all names of files have it

# two encoders of WebP at this quality differ by at most 29 levels, and by 2.8 on an image's mean;
# compression itself changes pixels by up to 165, and images by up to 9.5
MAX_DIFFERENCE = 64
MAX_MEAN_DIFFERENCE = 4.0


@dataclass(frozen=True)
class Package:
    """An npm package and its folder of pictures, one for each emoji."""

    name: str
    version: str
    pictures: str


PACKAGES = {
    "noto": Package("emoji-datasource-google", "16.0.0", "img/google/64"),
    "twemoji": Package("emoji-datasource-twitter", "16.0.0", "img/twitter/64"),
    "fluent": Package("@lobehub/fluent-emoji-3d", "1.1.0", "assets"),
}


@dataclass(frozen=True)
class Proof:
    """How far two copies of the set are apart; differences in levels of 0 to 255."""

    images: int
    same_bytes: int
    largest: int  # of any pixel
    mean: float  # over all pixels
    largest_mean: float  # of any image
    worst: str  # the image with the largest mean

    @property
    def holds(self) -> bool:
        """Whether the copies differ by no more than compression."""
        return self.largest <= MAX_DIFFERENCE and self.largest_mean <= MAX_MEAN_DIFFERENCE

    def __str__(self) -> str:
        found = f"{self.images} images of the same names, {self.same_bytes} of them identical files"
        return (
            f"{found}; pixels differ by at most {self.largest} of 255 levels, {self.mean:.4f} on "
            f"average, {self.largest_mean:.4f} on the average of {self.worst}"
        )


def image_names(table: str) -> list[str]:
    """Return the images of the text of a table, such as ``images/noto_1f436.webp``."""
    return [row["image"] for row in csv.DictReader(io.StringIO(table))]


def npm_pack(package: Package, folder: Path) -> Path:
    """Download and unpack the pictures of a package; nothing of it is run."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("the pictures come from npm, which is not installed; install Node.js")
    folder.mkdir(parents=True)
    wanted = f"{package.name}@{package.version}"
    done = subprocess.run(
        [npm, "pack", "--silent", "--ignore-scripts", wanted],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        why = (done.stderr or done.stdout).strip() or "it wrote no archive"
        raise InputError(f"npm could not fetch {wanted}: {why}; is there a network?")
    inside = f"package/{package.pictures}/"
    with tarfile.open(archives[0]) as archive:
        pictures = [member for member in archive if member.name.startswith(inside)]
        archive.extractall(folder, pictures, filter="data")
    return folder / inside


def source_of(name: str, folders: Mapping[str, Path]) -> Path:
    """Return the picture that ``images/STYLE_CODE.webp`` is drawn from."""
    style, _, code = Path(name).stem.partition("_")
    for stem in (code, code + VARIATION):
        for suffix in (".png", ".webp"):
            if (path := folders[style] / f"{stem}{suffix}").is_file():
                return path
    raise InputError(f"{name}: {folders[style]} has no picture {code}")


def draw(path: Path) -> Image.Image:
    """Return a picture on white, RGB, at most 96 pixels a side."""
    with Image.open(path) as file:
        picture = file.convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    drawn = ground.convert("RGB")
    drawn.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return drawn


def _encoded(path: Path) -> bytes:
    data = io.BytesIO()
    draw(path).save(data, "WEBP", **WEBP)
    return data.getvalue()


def build(out: Path, fetch: Callable[[Package, Path], Path] = npm_pack, table: Path = TABLE) -> int:
    """Write ``images/``, then ``labels.csv`` as the sign that all is there; return their number.

    ``fetch`` downloads a package into a folder and returns where its pictures are.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already and not empty; name a new folder")
    text = table.read_text(encoding="utf-8")
    names = image_names(text)
    (out / "images").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folders = {
            style: fetch(package, Path(temporary) / style) for style, package in PACKAGES.items()
        }
        sources = [source_of(name, folders) for name in names]
        with ThreadPoolExecutor(2) as pool:
            for name, data in zip(names, pool.map(_encoded, sources), strict=True):
                (out / name).write_bytes(data)
    write_atomic(out / "labels.csv", text)
    return len(names)


def emoji_folder() -> Path:
    """Return the set in the cache folder, built when it is not there yet."""
    folder = cache_dir() / "benchmarks" / "emoji"
    if not (folder / "labels.csv").exists():
        shutil.rmtree(folder, ignore_errors=True)  # an interrupted build
        build(folder)
    return folder


def prove(folder: Path, reference: Path) -> Proof:
    """Compare the set in a folder with a zip of it, pixel by pixel.

    Raises:
        InputError: the tables, the names or the size of an image differ.
    """
    with zipfile.ZipFile(reference) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
        text = (folder / "labels.csv").read_text(encoding="utf-8")
        if "labels.csv" not in files or archive.read("labels.csv").decode() != text:
            raise InputError(f"{reference}: its labels.csv is not that of {folder}")
        names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("images/*"))
        if differing := sorted({*names, "labels.csv"} ^ files):
            raise InputError(
                f"{len(differing)} files are only in one of {folder} and {reference}, "
                f"such as {differing[0]}"
            )
        same, differences = 0, []
        for name in names:
            ours, theirs = (folder / name).read_bytes(), archive.read(name)
            same += ours == theirs
            differences.append(_difference(name, ours, theirs))
    means = [float(difference.mean()) for difference in differences]
    worst = int(np.argmax(means))
    return Proof(
        len(names),
        same,
        max(int(difference.max()) for difference in differences),
        sum(float(d.sum()) for d in differences) / sum(d.size for d in differences),
        means[worst],
        names[worst],
    )


def _difference(name: str, ours: bytes, theirs: bytes) -> NDArray[np.int16]:
    a, b = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)
        for data in (ours, theirs)
    )
    if a.shape != b.shape:
        raise InputError(f"{name}: is {a.shape[1]} x {a.shape[0]}, not {b.shape[1]} x {b.shape[0]}")
    return np.abs(a - b)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the set, and compare it; 1 if the comparison fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emoji", description="Emoji set.")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--proof", type=Path, help="a zip of the set to compare with")
    chosen = parser.parse_args(arguments)
    print(f"{build(chosen.out)} images in {chosen.out}")
    if chosen.proof is None:
        return 0
    proof = prove(chosen.out, chosen.proof)
    print(f"{proof}: {'the same set' if proof.holds else 'NOT the same set'}")
    return 0 if proof.holds else 1


if __name__ == "__main__":
    sys.exit(main())
