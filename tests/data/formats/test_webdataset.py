import io
import json
import tarfile

import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.data.image_limits import open_image_file
from imlgcn.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path_factory.mktemp("cache")))


def jpg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "JPEG")
    return file.getvalue()


def pack(path, members, mode="w", **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            content = content.encode() if isinstance(content, str) else content
            info.size = len(content)
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return path


def samples(extension, *values):
    members = {}
    for index, value in enumerate(values):
        members |= {f"{index:04d}.jpg": jpg(), f"{index:04d}.{extension}": value}
    return members


def content(path):
    with open_image_file(path) as file:
        return file.read()


def shown(data):
    return {record.name: record.labels for record in data.records}


TAGS = samples("json", json.dumps({"tags": ["sea", "sun"], "width": 8}), '{"tags": []}')


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz")]
)
def test_the_json_of_a_sample_holds_its_labels(tmp_path, name, mode):
    data = load_dataset(pack(tmp_path / name, TAGS, mode))
    assert shown(data) == {"0000.jpg": ("sea", "sun"), "0001.jpg": ()}
    assert data.reader == "webdataset"
    assert "labels are in .json" in data.reason
    assert [content(path) for path in data.paths] == [jpg(), jpg()]


def test_shards_of_a_folder_are_joined_and_their_names_are_the_splits(tmp_path):
    pack(tmp_path / "train-000000.tar", TAGS)
    pack(tmp_path / "train-000001.tar", samples("json", '{"tags": ["sand"]}'))
    assert load_dataset(tmp_path).splits == {}  # all are called train: that says nothing of a test
    pack(tmp_path / "val-000000.tar", samples("json", '{"tags": ["sand"]}'))
    data = load_dataset(tmp_path)
    assert data.splits == {"train": 3, "val": 1}
    assert sorted(shown(data)) == [
        *("train-000000/0000.jpg", "train-000000/0001.jpg"),
        *("train-000001/0000.jpg", "val-000000/0000.jpg"),
    ]


def test_class_numbers_need_names(tmp_path):
    path = pack(tmp_path / "a.tar", samples("cls", "2", "0"))
    with pytest.raises(
        InputError, match=r"0000\.jpg: labels are numbers without names.*label_names="
    ):
        load_dataset(path)
    data = load_dataset(path, label_names=["sea", "sand", "sun"])
    assert shown(data) == {"0000.jpg": ("sun",), "0001.jpg": ("sea",)}


def test_texts_are_taken_apart_and_samples_without_one_are_left_out(tmp_path):
    data = load_dataset(
        pack(tmp_path / "a.tar", samples("txt", "sea, sun", "sand") | {"x.jpg": jpg()})
    )
    assert shown(data) == {"0000.jpg": ("sea", "sun"), "0001.jpg": ("sand",)}
    assert "left out: 1 without a .txt" in data.reason


def test_a_json_without_labels_gives_way_to_the_text(tmp_path):
    members = samples("json", '{"url": "x", "width": 8}') | {"0000.txt": "sea"}
    assert "labels are in .txt" in load_dataset(pack(tmp_path / "a.tar", members)).reason


def test_the_json_counts_before_the_class_and_the_text(tmp_path):
    members = TAGS | {"0000.cls": "boat", "0000.txt": "a boat at sea"}
    assert load_dataset(pack(tmp_path / "a.tar", members)).names == ("sea", "sun")
    members = samples("cls", "boat") | {"0000.txt": "a boat at sea"}
    assert load_dataset(pack(tmp_path / "b.tar", members)).names == ("boat",)


def test_a_mapping_to_one_and_zero_names_the_labels(tmp_path):
    path = pack(tmp_path / "a.tar", samples("json", '{"sea": 1, "sun": 0}', '{"sea": 0, "sun": 1}'))
    assert shown(load_dataset(path)) == {"0000.jpg": ("sea",), "0001.jpg": ("sun",)}


def test_a_sample_of_several_images_is_refused(tmp_path):
    members = {"0.left.jpg": jpg(), "0.right.jpg": jpg(), "0.cls": "sea"}
    with pytest.raises(InputError, match=r"0 has several images \(\.left\.jpg, \.right\.jpg\)"):
        load_dataset(pack(tmp_path / "a.tar", members))


def test_a_tar_of_another_layout_is_read_as_the_folder_it_holds(tmp_path):
    members = {"labels.csv": "image,labels\na.jpg,sea\n", "a.jpg": jpg()}
    data = load_dataset(pack(tmp_path / "a.tar", members))
    assert (data.reader, data.names) == ("csv", ("sea",))
    assert data.reason.startswith("zip: the file ends in .tar; folder: ")


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("../evil.jpg", {}, "a path outside of the archive"),
        ("/evil.jpg", {}, "a path outside of the archive"),
        ("evil.jpg", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a link"),
        ("evil.jpg", {"type": tarfile.LNKTYPE, "linkname": "a.jpg"}, "is a link"),
    ],
)
def test_a_tar_that_reaches_outside_is_refused(tmp_path, name, more, message):
    path = pack(tmp_path / "a.tar", TAGS)
    pack(path, {name: b"" if more else jpg()}, "a", **more)
    with pytest.raises(InputError, match=message):
        load_dataset(path)
    assert not list(tmp_path.rglob("evil*"))


def test_a_bomb_and_a_truncated_tar_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("imlgcn.data.unpack.SMALL", 1000)
    path = pack(tmp_path / "a.tar.gz", TAGS | {"b.txt": b"0" * 5_000_000}, "w:gz")
    with pytest.raises(InputError, match="times its size"):
        load_dataset(path)
    monkeypatch.undo()
    whole = pack(tmp_path / "b.tar.gz", TAGS, "w:gz").read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be unpacked"):
        load_dataset(tmp_path / "b.tar.gz")
