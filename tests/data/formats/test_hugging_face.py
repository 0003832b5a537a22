import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

ROWS = [
    {"file_name": "a.png", "labels": ["sea", "sun"], "place": "Brest"},
    {"file_name": "more/b.png", "labels": [], "place": "Rennes"},
]
README = """---
dataset_info:
  features:
  - name: image
    dtype: image
  - name: labels
    sequence:
      class_label:
        names:
          '0': sea
          '1': sand
          '2': sun
---
"""


def images(folder, *names):
    for name in names or ("a.png", "more/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def write(folder, rows=ROWS, kind="jsonl"):
    images(folder)
    if kind == "jsonl":
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / "metadata.jsonl").write_text(text + "\n", encoding="utf-8")
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "metadata.parquet")
    else:
        cells = [f"{row['file_name']},{';'.join(row['labels'])},{row['place']}" for row in rows]
        (folder / "metadata.csv").write_text("\n".join(["file_name,labels,place", *cells]))
    return folder


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_metadata_file_lists_images_and_labels(tmp_path, kind):
    data = load_dataset(write(tmp_path, kind=kind))
    assert (data.reader, data.names) == ("hugging_face", ("sea", "sun"))
    assert [(r.name, r.labels, r.fields) for r in data.records] == [
        ("a.png", ("sea", "sun"), {"place": "Brest"}),
        ("more/b.png", (), {"place": "Rennes"}),
    ]
    assert data.paths == [tmp_path / "a.png", tmp_path / "more" / "b.png"]
    assert load_dataset(tmp_path / f"metadata.{kind}").names == data.names


def test_folders_with_metadata_are_the_splits(tmp_path):
    for split in ("train", "validation", "test"):
        write(tmp_path / split)
    data = load_dataset(tmp_path)
    assert data.splits == {"train": 2, "val": 2, "test": 2}
    assert len({record.name for record in data.records}) == 6


def test_a_single_folder_train_says_nothing_of_a_test(tmp_path):
    write(tmp_path / "train")
    (tmp_path / "README.md").write_text("# beaches\n")
    assert load_dataset(tmp_path).splits == {}


def test_paths_into_folders_of_splits_say_the_split(tmp_path):
    names = ("train/a.png", "test/b.png")
    rows = [{"file_name": name, "labels": ["sea"]} for name in names]
    images(write(tmp_path, rows), *names)
    assert load_dataset(tmp_path).splits == {"train": 1, "test": 1}


def test_class_numbers_have_their_names_in_the_readme(tmp_path):
    write(tmp_path, [{"file_name": "a.png", "labels": [2, 0]}])
    with pytest.raises(
        InputError, match=r"metadata\.jsonl, line 1: labels are numbers without names"
    ):
        load_dataset(tmp_path)
    (tmp_path / "README.md").write_text(README)
    data = load_dataset(tmp_path)
    assert (data.names, data.records[0].labels) == (("sea", "sand", "sun"), ("sun", "sea"))
    assert "left out: 1 not in the metadata" in data.reason


def test_boxes_count_as_labels(tmp_path):
    objects = {"bbox": [[0, 0, 1, 1], [1, 1, 2, 2]], "category": ["sea", "sea"]}
    write(tmp_path, [{"file_name": "a.png", "objects": objects}])
    assert load_dataset(tmp_path).records[0].labels == ("sea",)


def test_columns_of_one_and_zero_are_labels_and_others_can_be_named(tmp_path):
    rows = [{"file_name": "a.png", "sea": 1, "sun": 0, "is_valid": 1, "words": "x"}]
    write(tmp_path, [*rows, {"file_name": "more/b.png", "sea": 0, "sun": 1, "words": "x y"}])
    assert load_dataset(tmp_path).names == ("sea", "sun")
    assert load_dataset(tmp_path, label_columns="words", delimiter=" ").names == ("x", "y")
    with pytest.raises(
        InputError, match=r"no column 'wrds' \(label_columns=\); did you mean 'words'"
    ):
        load_dataset(tmp_path, label_columns="wrds")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"file_name": "a.png", "labels": ["x"]}\n{"file_name', "line 2: is not valid JSON"),
        (
            '{"file_name": "a.png", "labels": ["x"]}\n{"labels": ["x"]}',
            "line 2: file_name is missing",
        ),
        (
            '{"file_name": "a.png", "caption": "x y z"}',
            "neither a column .labels. nor a column of 1, 0",
        ),
        ('{"file_name": "a.png", "labels": ["x"]}\n["b.png"]', "line 2: expected an object"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, message):
    images(tmp_path)
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path)


def test_splits_with_other_columns_are_refused(tmp_path):
    write(tmp_path / "train")
    write(tmp_path / "test", [{"file_name": "a.png", "tags": ["sea"]}])
    with pytest.raises(InputError, match=r"its columns are not those of .*: labels, place, tags"):
        load_dataset(tmp_path)


def test_a_metadata_file_of_something_else_is_left_to_other_readers(tmp_path):
    (tmp_path / "metadata.csv").write_text("image,labels\na.png,sea\n")
    images(tmp_path)
    assert load_dataset(tmp_path / "metadata.csv").reader == "csv"
