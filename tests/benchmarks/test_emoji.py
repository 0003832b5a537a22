"""The emoji set without a network: its table, how pictures are drawn, and the comparison."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import emoji
from imlgcn.data.dataset import load_dataset
from imlgcn.data.formats.csv import read_table
from imlgcn.errors import InputError

SMALL = """image,labels,split,group
images/noto_1f436.webp,dog;pet,train,1
images/twemoji_00a9.webp,mark,val,2
images/fluent_1f436.webp,dog,test,1
"""


def disc(path: Path, size=(64, 64), mode="RGBA", colour=(200, 30, 90)) -> None:
    """Draw an opaque middle on a transparent ground that hides black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    box = (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4)
    picture.paste((*colour, 255), box)
    if mode == "P":
        picture = picture.quantize(8)
    picture.convert(mode).save(path, lossless=True)


def fetch(package: emoji.Package, folder: Path) -> Path:
    """Stand in for npm: two pictures, one whose name has the variation selector."""
    suffix = ".webp" if package.pictures == "assets" else ".png"
    disc(folder / f"1f436{suffix}", colour=(200, 30, len(package.name)))
    disc(folder / f"00a9-fe0f{suffix}", colour=(20, 130, 90))
    return folder


@pytest.fixture
def built(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(SMALL)
    assert emoji.build(tmp_path / "emoji", fetch, table) == 3
    return tmp_path / "emoji"


def zipped(folder: Path, path: Path, change=lambda name, data: (name, data)) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            name, data = change(file.relative_to(folder).as_posix(), file.read_bytes())
            if name:
                archive.writestr(name, data)
    return path


def test_the_table_has_its_images_labels_and_splits_and_no_group_crosses_splits():
    table = read_table(emoji.TABLE)
    images, labels, splits, groups = (table.column(index) for index in range(4))
    assert table.header == ["image", "labels", "split", "group"]
    styles = Counter(Path(name).stem.split("_")[0] for name in images)
    assert styles == {"noto": 1733, "twemoji": 1714, "fluent": 1689}
    assert len(set(images)) == 5136
    assert len({label for cell in labels for label in cell.split(";")} - {""}) == 323
    assert set(splits) == {"train", "val", "test"}
    assert all(groups)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_pictures_are_drawn_on_white_whatever_their_transparency_hides(tmp_path, mode):
    disc(tmp_path / "a.png", mode=mode)
    drawn = np.asarray(emoji.draw(tmp_path / "a.png"))
    assert drawn.shape == (64, 64, 3)
    assert (drawn[:16] == 255).all()
    assert (drawn[20:44, 20:44] == drawn[32, 32]).all()
    assert drawn[32, 32].max() < 255


def test_half_transparent_colours_are_blended_with_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 100, 200, 51)).save(tmp_path / "a.png")  # a fifth
    assert emoji.draw(tmp_path / "a.png").getpixel((3, 3)) == (204, 224, 244)


@pytest.mark.parametrize(
    ("size", "drawn"), [((256, 256), (96, 96)), ((256, 264), (93, 96)), ((40, 30), (40, 30))]
)
def test_pictures_shrink_to_96_pixels_in_proportion_and_never_grow(tmp_path, size, drawn):
    disc(tmp_path / "a.webp", size)
    assert emoji.draw(tmp_path / "a.webp").size == drawn


def test_a_built_set_is_read_with_its_labels_splits_and_groups(built):
    data = load_dataset(built / "labels.csv")
    assert (data.names, data.splits) == (("dog", "mark", "pet"), {"train": 1, "val": 1, "test": 1})
    assert [record.group for record in data.records] == ["1", "2", "1"]
    for path in data.paths:
        with Image.open(path) as image:
            assert (image.format, image.size) == ("WEBP", (64, 64))


def test_a_folder_that_holds_something_is_not_built_into(built):
    with pytest.raises(InputError, match="not empty"):
        emoji.build(built, fetch)


def test_a_picture_that_the_package_lacks_is_named(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(SMALL.replace("1f436", "1f431"))
    with pytest.raises(InputError, match=r"noto_1f431.webp: .* has no picture 1f431"):
        emoji.build(tmp_path / "emoji", fetch, table)
    assert not (tmp_path / "emoji/labels.csv").exists(), "the sign that all is there"


def test_a_copy_is_the_same_set_bit_by_bit(built, tmp_path):
    proof = emoji.prove(built, zipped(built, tmp_path / "a.zip"))
    assert (proof.images, proof.same_bytes, proof.largest, proof.mean) == (3, 3, 0, 0.0)
    assert proof.holds


def test_compression_is_the_same_set_and_another_picture_is_not(built, tmp_path):
    def again(name, data):
        if not name.endswith("noto_1f436.webp"):
            return name, data
        file = io.BytesIO()
        Image.open(io.BytesIO(data)).save(file, "WEBP", quality=88, method=0)
        return name, file.getvalue()

    def swapped(name, data):
        other = built / "images/twemoji_00a9.webp"
        return (name, other.read_bytes()) if "noto" in name else (name, data)

    proof = emoji.prove(built, zipped(built, tmp_path / "a.zip", again))
    assert (proof.same_bytes, proof.holds) == (2, True)
    assert 0 < proof.mean < proof.largest_mean < proof.largest
    assert proof.worst == "images/noto_1f436.webp"
    proof = emoji.prove(built, zipped(built, tmp_path / "b.zip", swapped))
    assert (proof.same_bytes, proof.holds) == (2, False)


def test_one_other_image_among_many_is_not_lost_in_the_mean():
    few = emoji.Proof(5000, 4999, largest=20, mean=0.001, largest_mean=4.1, worst="a")
    assert not few.holds
    assert not emoji.Proof(5000, 4999, largest=65, mean=0.001, largest_mean=0.1, worst="a").holds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, d: (n.replace("noto", "nota"), d), "2 files are only in one of"),
        (lambda n, d: (n, d.replace(b"mark", b"sign")), "its labels.csv is not that of"),
        (lambda n, d: ("" if n == "labels.csv" else n, d), "its labels.csv is not that of"),
    ],
)
def test_another_table_or_other_names_are_not_the_same_set(built, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        emoji.prove(built, zipped(built, tmp_path / "a.zip", change))


def test_another_size_is_not_the_same_set(built, tmp_path):
    def smaller(name, data):
        file = io.BytesIO()
        Image.new("RGB", (64, 60)).save(file, "WEBP")
        return name, file.getvalue() if "fluent" in name else data

    with pytest.raises(InputError, match=r"fluent_1f436.webp: is 64 x 64, not 64 x 60"):
        emoji.prove(built, zipped(built, tmp_path / "a.zip", smaller))


def fake_npm(folder: Path, script: str, monkeypatch) -> None:
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_only_the_pictures_of_a_package_are_unpacked(tmp_path, monkeypatch):
    disc(tmp_path / "package/assets/1f436.webp")
    (tmp_path / "package/index.js").write_text("throw 1")
    with tarfile.open(tmp_path / "made.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "package", "package")
    script = f'echo "$@" > asked; cp {tmp_path}/made.tar.gz some-1.0.0.tgz'
    fake_npm(tmp_path / "bin", script, monkeypatch)
    found = emoji.npm_pack(emoji.Package("@any/some", "1.0.0", "assets"), tmp_path / "out")
    assert [path.name for path in found.iterdir()] == ["1f436.webp"]
    assert not list((tmp_path / "out").rglob("*.js"))
    assert (tmp_path / "out/asked").read_text().split()[-1] == "@any/some@1.0.0"


def test_what_npm_says_is_told_when_it_fails_or_is_missing(tmp_path, monkeypatch):
    fake_npm(tmp_path / "bin", "echo no such host >&2; exit 1", monkeypatch)
    package = emoji.Package("some", "1.0.0", "assets")
    with pytest.raises(InputError, match=r"could not fetch some@1.0.0: no such host"):
        emoji.npm_pack(package, tmp_path / "out")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="npm, which is not installed"):
        emoji.npm_pack(package, tmp_path / "out2")


def test_the_set_in_the_cache_is_built_once_and_anew_after_an_interruption(tmp_path, monkeypatch):
    folder = tmp_path / "benchmarks/emoji"
    (folder / "images").mkdir(parents=True)
    (folder / "images/half.webp").touch()
    built = []

    def build(out: Path) -> int:
        built.append(sorted(tmp_path.rglob("*.webp")))
        out.mkdir()
        (out / "labels.csv").touch()
        return 0

    monkeypatch.setattr(emoji, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(emoji, "build", build)
    assert emoji.emoji_folder() == emoji.emoji_folder() == folder
    assert built == [[]]


def test_the_command_ends_with_1_when_the_sets_differ(built, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(emoji, "build", lambda out: len(list(out.glob("images/*"))))
    reference = zipped(built, tmp_path / "a.zip")
    assert emoji.main(["--out", str(built), "--proof", str(reference)]) == 0
    assert "the same set" in capsys.readouterr().out
    Image.new("RGB", (64, 64)).save(built / "images/noto_1f436.webp")
    assert emoji.main(["--out", str(built), "--proof", str(reference)]) == 1
    assert "NOT the same set" in capsys.readouterr().out
