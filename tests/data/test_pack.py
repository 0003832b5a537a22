import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imlgcn import load_dataset, pack
from imlgcn.data.dataset import Dataset
from imlgcn.data.formats.base import Record, Source
from imlgcn.data.formats.packs import FORMATS, MANIFEST
from imlgcn.data.image_limits import open_image_file
from imlgcn.data.images import open_image
from imlgcn.data.pack import AHEAD
from imlgcn.data.scan import find_images, scan_images
from imlgcn.data.written_split import write_split_csv
from imlgcn.errors import InputError
from imlgcn.files import only_writer

each_format = pytest.mark.parametrize("format", FORMATS)
NAMES = ["sea", "sand", "?", "?boat", 'a "quoted", label;', "日本", " sun", "0"]
LABELS = st.lists(st.sampled_from(NAMES), unique=True)


def content(path) -> bytes:
    with open_image_file(path) as file:
        return file.read()


def facts(record):
    own = (record.name, record.labels, record.unknown, record.split, record.absent, record.group)
    return (*own, dict(record.fields))


def picture(path: Path, size=(24, 16), seed=0) -> Path:
    noise = np.random.default_rng(seed).integers(0, 255, (5, 5, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """Twelve images in three splits."""
    rows = ["image,labels,split"]
    for number in range(12):
        picture(tmp_path / "photos" / f"{number}.png", seed=number)
        labels, split = ("sand", "train") if number % 2 == 0 else ("sea;sun", "val")
        rows.append(f"{number}.png,{labels},{split}")
    (tmp_path / "photos" / "t.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "photos" / "t.csv"


@st.composite
def records(draw, path):
    kinds = draw(st.lists(st.tuples(LABELS, st.integers(0, 2)), min_size=1, max_size=6))
    found = []
    for number, (names, kind) in enumerate(kinds):
        parts = [tuple(names[start::3]) for start in range(3)]
        found.append(
            Record(
                draw(st.sampled_from(["a/b.png", "é ü.png", "x"])) + str(number),
                path,
                parts[0],
                parts[1],
                draw(st.sampled_from(["train", "val", "test", None])),
                draw(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)),
                parts[2] if kind == 2 else None,
                draw(st.sampled_from(["g", None])),
            )
        )
    return found


@each_format
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_names_labels_marks_splits_groups_and_fields_come_back_as_they_were(
    format, data, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("packed")
    found = data.draw(records(picture(folder / "a.png")))
    dataset = Dataset.from_source(Source(NAMES, found, "python", "made", "voc"))
    pack(dataset, folder / "shards", format=format)
    again = load_dataset(folder / "shards")
    assert list(map(facts, again.records)) == list(map(facts, dataset.records))
    assert again.names == dataset.names
    np.testing.assert_array_equal(again.targets, dataset.targets)
    assert again.published == "voc"
    assert {content(path) for path in again.paths} == {(folder / "a.png").read_bytes()}


@each_format
def test_the_same_data_give_the_same_bytes_in_shards_of_a_size(format, photos, tmp_path):
    whole = sum(file.stat().st_size for file in photos.parent.glob("*.png"))
    first = pack(str(photos), tmp_path / "a", format=format, max_size=(whole / 2 + 4 * 2048) / 1e6)
    again = pack(str(photos), tmp_path / "b", format=format, max_size=(whole / 2 + 4 * 2048) / 1e6)
    assert len(first.shards) > 2  # of two splits
    assert [p.read_bytes() for p in first.shards] == [p.read_bytes() for p in again.shards]
    assert all(p.name.startswith(("train-0", "val-0")) for p in first.shards)
    assert [r.name for r in load_dataset(tmp_path / "a").records] == [f"{n}.png" for n in range(12)]


def test_an_image_larger_than_a_shard_has_one_of_its_own(photos, tmp_path):
    assert len(pack(str(photos), tmp_path / "a", max_size=1e-6).shards) == 12


@each_format
def test_other_programs_read_the_shards(format, photos, tmp_path):
    for shard in pack(str(photos), tmp_path / "a", format=format).shards:
        data = load_dataset(shard, reader=format)  # without the manifest
        assert {record.labels for record in data.records} <= {("sand",), ("sea", "sun")}
    if format == "webdataset":
        with tarfile.open(tmp_path / "a" / "train-000000.tar") as tar:
            assert tar.getnames()[:3] == ["000000000.png", "000000000.json", "000000002.png"]


@pytest.mark.parametrize(("image_format", "suffix"), [("jpeg", ".jpg"), ("webp", ".webp")])
def test_larger_images_are_made_smaller_and_others_copied(tmp_path, image_format, suffix):
    wide = picture(tmp_path / "wide.png", (90, 40))
    small = picture(tmp_path / "small.png", (90, 16))
    how = {"size": 20, "image_format": image_format}
    pack([(str(wide), ["a"]), (str(small), ["b"])], tmp_path / "out", **how)
    data = load_dataset(tmp_path / "out")
    assert [path.suffix for path in data.paths] == [suffix, ".png"]
    assert open_image(data.paths[0]).size == (45, 20)
    assert content(data.paths[1]) == small.read_bytes()
    difference = np.abs(
        np.asarray(open_image(data.paths[0]), float)
        - np.asarray(open_image(wide).resize((45, 20), Image.Resampling.LANCZOS), float)
    )
    assert difference.mean() < 6


@each_format
def test_images_that_cannot_be_read_are_left_out_and_said(format, photos, tmp_path):
    (photos.parent / "3.png").unlink()
    (photos.parent / "4.png").write_bytes(b"")
    packed = pack(str(photos), tmp_path / "a", format=format)
    assert list(packed.left_out) == ["3.png"]
    assert "No such file" in packed.left_out["3.png"]
    data = load_dataset(tmp_path / "a")
    assert (packed.images, len(data)) == (11, 11)
    assert content(data.files["4.png"]) == b""  # it is damaged as it was: the training says so
    smaller = pack(str(photos), tmp_path / "b", format=format, size=16)
    assert list(smaller.left_out) == ["3.png", "4.png"]


def test_where_no_image_can_be_read_nothing_is_written(photos, tmp_path):
    for file in photos.parent.glob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"no image can be read; first: .*not an image"):
        pack(str(photos), tmp_path / "a", size=16)
    assert [file.name for file in tmp_path.iterdir()] == ["photos"]


def test_a_folder_is_replaced_only_if_pack_wrote_it_and_it_is_asked_for(photos, tmp_path):
    pack(str(photos), tmp_path / "a")
    with pytest.raises(InputError, match="exists; replace it with overwrite=True"):
        pack(str(photos), tmp_path / "a")
    assert pack(str(photos), tmp_path / "a", format="parquet", overwrite=True).images == 12
    assert {p.suffix for p in (tmp_path / "a").iterdir()} == {".parquet", ".manifest"}
    with pytest.raises(InputError, match="was not written by pack"):
        pack(str(photos), photos.parent, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "photos"]


def test_one_that_was_killed_leaves_what_there_was_and_locks_nobody_out(photos, tmp_path):
    pack(str(photos), tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / ".a.replaced")  # between the two renames
    (tmp_path / ".a.12345678.tmp").mkdir()
    with pytest.raises(InputError, match="exists"):
        pack(str(photos), tmp_path / "a")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.12345678.tmp", "a", "photos"]
    pack(str(photos), tmp_path / "a", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "photos"]
    with only_writer(tmp_path / "a"), pytest.raises(BlockingIOError, match="another run"):
        pack(str(photos), tmp_path / "a", overwrite=True)


@each_format
def test_shards_that_are_not_whole_are_refused(format, photos, tmp_path):
    shard = pack(str(photos), tmp_path / "a", format=format).shards[0]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=r"has not .* bytes, as pack\.manifest says"):
        load_dataset(tmp_path / "a")
    shard.unlink()
    with pytest.raises(InputError, match=r"is missing, as pack\.manifest says"):
        load_dataset(tmp_path / "a")
    shard.write_bytes(whole)
    manifest = json.loads((tmp_path / "a" / MANIFEST).read_text())
    (tmp_path / "a" / MANIFEST).write_text(json.dumps(manifest | {"images": 13}))
    with pytest.raises(InputError, match=r"hold 12 images and pack\.manifest says 13"):
        load_dataset(tmp_path / "a")
    (tmp_path / "a" / MANIFEST).write_text("{")
    with pytest.raises(InputError, match=r"pack\.manifest: is damaged"):
        load_dataset(tmp_path / "a")


def test_a_member_that_was_written_anew_is_noticed(photos, tmp_path):
    pack(str(photos), tmp_path / "a")
    data = load_dataset(tmp_path / "a")
    picture(photos.parent / "0.png", (50, 50), seed=77)
    pack(str(photos), tmp_path / "a", overwrite=True)
    with pytest.raises(InputError, match="read the data again"):
        content(data.paths[2])


def test_memory_does_not_grow_with_the_number_of_images(tmp_path, monkeypatch):
    open_now, most = set(), 0

    def prepare(path, **options):
        nonlocal most
        open_now.add(path)
        most = max(most, len(open_now))
        return b"x" * 100, ".jpg"

    monkeypatch.setattr("imlgcn.data.pack._prepare", prepare)
    monkeypatch.setattr(
        "imlgcn.data.pack.to_json",
        lambda record: open_now.discard(record.path) or {"name": record.name, "labels": []},
    )
    found = [Record(f"{n}.jpg", Path(f"{n}.jpg"), ("a",)) for n in range(500)]
    pack(Dataset.from_source(Source(["a"], found, "python", "")), tmp_path / "a")
    assert most <= AHEAD + 2


def test_settings_out_of_range_are_refused_before_anything_is_read(tmp_path):
    for wrong, message in (
        ({"format": "zip"}, "unknown format 'zip'"),
        ({"max_size": 0.0}, "max_size must be above 0"),
        ({"size": 8}, "at least 16 pixels"),
        ({"image_format": "png"}, "unknown image format"),
        ({"quality": 0}, "quality must be from 1 to 100"),
        ({"quality": 92}, "quality= is of images that are made smaller"),
        ({"image_format": "jpeg", "quality": 20}, "image_format= is of images .* give size=, too"),
    ):
        with pytest.raises(InputError, match=message):
            pack("nothing", tmp_path / "a", **wrong)
    assert not os.listdir(tmp_path)


@each_format
def test_a_list_names_images_in_shards_and_finds_them(format, photos, tmp_path):
    pack(str(photos), tmp_path / "a", format=format)
    data = load_dataset(tmp_path / "a")
    write_split_csv(data, [record.split for record in data.records], tmp_path / "split.csv")
    again = load_dataset(tmp_path / "split.csv")
    assert again.paths == data.paths
    assert again.splits == data.splits
    assert not any(scan.problem for scan in [*find_images(again.paths), *scan_images(again.paths)])


def test_the_quality_is_that_of_images_made_smaller(photos, tmp_path):
    def sizes(name, **how):
        pack(str(photos), tmp_path / name, size=16, image_format="webp", **how)
        return [len(content(path)) for path in load_dataset(tmp_path / name).paths]

    for path in photos.parent.glob("*.png"):
        picture(path, (64, 48), seed=int(path.stem))
    usual, low = sizes("a"), sizes("b", quality=20)
    assert usual == sizes("c", quality=92)
    assert all(a > b for a, b in zip(usual, low, strict=True))


def test_shards_are_packed_again_also_in_their_own_place(photos, tmp_path):
    pack(str(photos), tmp_path / "a")
    first = [content(path) for path in load_dataset(tmp_path / "a").paths]
    pack(tmp_path / "a", tmp_path / "a", format="parquet", overwrite=True)
    assert [content(path) for path in load_dataset(tmp_path / "a").paths] == first


def test_data_whose_targets_say_more_than_its_records_are_refused(photos, tmp_path):
    data = load_dataset(photos)
    with pytest.raises(InputError, match="targets of the data were changed"):
        pack(data.reordered([*data.names, "more"]), tmp_path / "a")


@pytest.mark.parametrize(
    "where",
    ["@512+99999999999", "@999999999999999999+5", "@512+3", "@x+0+0+0", "@image+5+0+7", "@"],
)
@each_format
def test_a_place_that_is_none_is_refused_and_never_read(format, where, photos, tmp_path):
    shard = pack(str(photos), tmp_path / "a", format=format).shards[0]
    with pytest.raises((InputError, OSError)):
        open_image_file(shard / where / "0.png")
    with pytest.raises(OSError, match="directory"):
        open_image_file(tmp_path / "none.tar" / where / "0.png")
