import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.data.formats import parquet, parquet_images
from imlgcn.data.image_limits import open_image_file
from imlgcn.errors import InputError

CLASSES = {
    "labels": {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": ["sea", "sun"]}}
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("IMLGCN_CACHE", str(folder))
    return folder


def png(colour="red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def table(labels, *, features=None, paths=True, **more):
    images = [
        {"bytes": png(("red", "lime", "blue")[i % 3]), "path": f"{i}.jpg" if paths else None}
        for i in range(len(labels))
    ]
    found = pa.table({"image": images, "labels": labels, **more})
    if features is None:
        return found
    return found.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def write(path, *args, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(*args, **options), path)
    return path


def content(path):
    with open_image_file(path) as file:
        return file.read()


def test_images_are_read_where_they_are_and_class_numbers_get_the_names_of_the_schema(
    tmp_path, cache
):
    path = write(tmp_path / "train-00000-of-00001.parquet", [[1], [0, 1], []], features=CLASSES)
    data = load_dataset(path)
    assert (data.reader, data.names) == ("parquet", ("sea", "sun"))
    assert [r.labels for r in data.records] == [("sun",), ("sea", "sun"), ()]
    assert [r.name for r in data.records] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [content(p) for p in data.paths] == [png("red"), png("lime"), png("blue")]
    assert not list(cache.iterdir())


def test_row_groups_too_large_to_decode_at_once_are_unpacked_once(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", [["a"], ["b"]])
    inside = load_dataset(path)
    monkeypatch.setattr(parquet_images, "LARGEST", 1)
    data = load_dataset(path)
    assert [r.name for r in data.records] == [r.name for r in inside.records]
    assert [p.suffix for p in data.paths] == [".png"] * 2  # by the content, not by the path
    assert data.paths[1].read_bytes() == content(inside.paths[1])
    monkeypatch.setattr(parquet, "_unpack", None)
    assert load_dataset(path).paths == data.paths


def test_images_without_names_are_numbered_and_end_as_the_first_does(tmp_path):
    data = load_dataset(write(tmp_path / "a.parquet", [["a"], ["b"]], paths=False))
    assert [record.name for record in data.records] == ["0000000.png", "0000001.png"]


def test_a_table_that_was_written_anew_is_noticed(tmp_path):
    path = write(tmp_path / "a.parquet", [["a"], ["b"]])
    data = load_dataset(path)
    write(path, [["a"], ["b"], ["c"]] * 9)
    with pytest.raises(InputError, match="read the data again"):
        content(data.paths[1])


def test_a_folder_of_shards_is_one_data_set_with_the_splits_of_its_names(tmp_path):
    for name, labels in (("train-00000-of-00002", [["a"]]), ("train-00001-of-00002", [["b"]])):
        write(tmp_path / "data" / f"{name}.parquet", labels, paths=False)
    assert load_dataset(tmp_path).splits == {}
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", [["b"]], paths=False)
    (tmp_path / "README.md").write_text("# card\n")
    data = load_dataset(tmp_path)
    assert data.splits == {"train": 2, "val": 1}
    assert len({record.name for record in data.records}) == 3


def test_numbers_without_names_are_refused_with_the_way_to_give_them(tmp_path):
    path = write(tmp_path / "a.parquet", [[1], [0]])
    with pytest.raises(InputError, match=r"a\.parquet, row 1: labels are numbers without names"):
        load_dataset(path)
    assert load_dataset(path, label_names=["sea", "sun"]).records[0].labels == ("sun",)


def test_what_save_to_disk_writes_is_read(tmp_path):
    for split in ("train", "test"):
        found = table([[1], [0]], features=CLASSES)
        (tmp_path / split).mkdir()
        file = str(tmp_path / split / "data-00000-of-00001.arrow")
        with pa.OSFile(file, "wb") as stream, pa.ipc.new_stream(stream, found.schema) as writer:
            writer.write_table(found)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    data = load_dataset(tmp_path)
    assert data.splits == {"train": 2, "test": 2}
    assert data.records[0].labels == ("sun",)


def test_a_table_of_paths_is_read_as_well(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    rows = {"file_name": ["a.png"], "tags": ["sea;sun"], "split": ["train"], "width": [8]}
    pq.write_table(pa.table(rows), tmp_path / "list.parquet")
    data = load_dataset(tmp_path / "list.parquet")
    assert (data.names, data.splits, data.paths) == (
        ("sea", "sun"),
        {"train": 1},
        [tmp_path / "a.png"],
    )
    assert data.records[0].fields == {"width": "8"}


def test_bytes_of_other_columns_are_no_images(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    rows = {"hash": [b"12"], "image": ["a.png"], "labels": [["sea"]]}
    pq.write_table(pa.table(rows), tmp_path / "list.parquet")
    assert load_dataset(tmp_path / "list.parquet").paths == [tmp_path / "a.png"]


def test_a_folder_of_tables_without_images_is_left_to_other_readers(tmp_path):
    pq.write_table(pa.table({"image": ["a.png"], "logit": [0.1]}), tmp_path / "predictions.parquet")
    assert parquet.recognise(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid x\n",
            "a pointer of Git LFS, .*git lfs pull",
        ),
        (b"PAR1 broken", "is not a parquet table"),
    ],
)
def test_a_file_that_is_no_table_says_so(tmp_path, content, message):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / "a.parquet")


def test_several_columns_of_images_are_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    pictures = {name: [{"bytes": png(name), "path": "a"}] for name in ("red", "blue")}
    pq.write_table(pa.table({**pictures, "labels": [["x"]]}), path)
    with pytest.raises(InputError, match=r"several columns hold images \(red, blue\)"):
        load_dataset(path)
    for name in pictures:
        assert content(load_dataset(path, image_column=name).paths[0]) == png(name)


def test_shards_of_other_classes_are_refused(tmp_path):
    write(tmp_path / "train-0.parquet", [[0]], features=CLASSES)
    other = {
        "labels": {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": ["sun", "sea"]}}
    }
    write(tmp_path / "test-0.parquet", [[0]], features=other)
    with pytest.raises(InputError, match="its names of classes are not those of"):
        load_dataset(tmp_path)


def test_a_row_without_an_image_is_refused_and_leaves_nothing(tmp_path, cache):
    rows = {
        "image": [{"bytes": png(), "path": None}, {"bytes": None, "path": None}],
        "labels": ["x", "x"],
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="row 2: the image is missing"):
        load_dataset(tmp_path / "a.parquet")
    assert not list(cache.iterdir())
