import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError


def put(folder, **tags):
    """Make ``<name>.png`` and, where tags are not None, ``<name>.txt`` for every keyword."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tags.items():
        Image.new("RGB", (8, 8), "blue").save(folder / f"{name}.png")
        if text is not None:
            (folder / f"{name}.txt").write_text(text, encoding="utf-8-sig")
    return folder


def test_tags_are_read_one_per_line_or_separated_by_commas(tmp_path):
    data = load_dataset(put(tmp_path, a="dog\ncat\n", b="cat, fire engine", c="?dog\r\ncat,"))
    assert data.reader == "folder"
    assert data.names == ("cat", "dog", "fire engine")
    np.testing.assert_array_equal(data.targets, [[1, 1, 0], [1, 0, 1], [1, -1, 0]])


def test_an_empty_txt_is_an_image_without_label_and_no_txt_is_no_part_of_the_data(tmp_path):
    data = load_dataset(put(tmp_path, a="dog", b="", c=None))
    assert [record.name for record in data.records] == ["a.png", "b.png"]
    assert data.records[1].labels == ()
    assert "2 of 3 images have a .txt of tags; left out: 1 without one" in data.reason


def test_sub_folders_are_read_and_hidden_files_are_not(tmp_path):
    put(tmp_path, a="dog")
    put(tmp_path / "deep/er", b="cat")
    put(tmp_path / ".thumbnails", a="dog")
    (tmp_path / "deep/er/b.png").rename(tmp_path / "deep/er/b.JPG")
    assert [record.name for record in load_dataset(tmp_path).records] == ["a.png", "deep/er/b.JPG"]


def test_the_tag_file_may_carry_the_whole_name_of_the_image(tmp_path):
    put(tmp_path, a=None)
    (tmp_path / "a.png.txt").write_text("dog")
    assert load_dataset(tmp_path).names == ("dog",)


def test_folders_named_as_splits_are_the_splits(tmp_path):
    put(tmp_path / "train", a="dog")
    put(tmp_path / "valid", b="dog")
    data = load_dataset(tmp_path)
    assert data.splits == {"train": 1, "val": 1}
    put(tmp_path / "more", c="dog")
    assert load_dataset(tmp_path).splits == {}


def test_a_labels_csv_in_the_folder_is_read_instead_of_tags(tmp_path):
    put(tmp_path, a="dog")
    (tmp_path / "labels.csv").write_text("image,labels\na.png,owl\n")
    data = load_dataset(tmp_path)
    assert (data.reader, data.names) == ("csv", ("owl",))
    assert data.reason.startswith("folder: it holds labels.csv; csv: the file ends in .csv")


def test_the_only_csv_of_a_folder_without_tags_is_read(tmp_path):
    put(tmp_path, a=None)
    (tmp_path / "mine.csv").write_text("image,labels\na.png,owl\n")
    assert load_dataset(tmp_path).names == ("owl",)
    (tmp_path / "other.csv").write_text("image,labels\na.png,owl\n")
    with pytest.raises(InputError, match=r"several lists \(mine.csv, other.csv\)"):
        load_dataset(tmp_path)


def test_a_folder_in_a_folder_is_unwrapped(tmp_path):
    put(tmp_path / "outer/inner", a="dog")
    assert load_dataset(tmp_path).records[0].name == "a.png"


def test_folders_without_data_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        load_dataset(tmp_path)
    put(tmp_path, a=None, b=None)
    with pytest.raises(InputError, match=r"2 images and no tags; add a \.txt"):
        load_dataset(tmp_path)
    put(tmp_path, a="", b="")
    with pytest.raises(InputError, match="all 2 tag files are empty"):
        load_dataset(tmp_path)


def test_a_contradiction_names_its_tag_file(tmp_path):
    with pytest.raises(InputError, match=r"a\.txt: 'dog' is listed as both"):
        load_dataset(put(tmp_path, a="dog\n?dog"))


def test_tags_are_separated_as_in_a_csv(tmp_path):
    data = load_dataset(put(tmp_path, a="dog;fire engine", b="cat; dog", c="cat"))
    assert data.names == ("cat", "dog", "fire engine")
    assert "labels are separated by ';'" in data.reason
    lines = load_dataset(put(tmp_path / "lines", a="dog\ncat;8", b="cat, dog\nowl\nfire engine"))
    assert lines.names == ("cat", "cat;8", "dog", "fire engine", "owl"), "lines and commas"


def test_a_given_delimiter_separates_tags_beside_line_ends(tmp_path):
    folder = put(tmp_path, a="dog, big && cat", b="owl\ncat")
    assert load_dataset(folder, delimiter="&&").names == ("cat", "dog, big", "owl")


def test_tags_may_be_in_a_folder_labels_next_to_images(tmp_path):
    put(tmp_path / "images", a=None, b=None)
    put(tmp_path / "images/deep", c=None)
    for name, text in (("a", "dog"), ("b", "cat;dog"), ("deep/c", "owl")):
        path = tmp_path / "labels" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    data = load_dataset(tmp_path)
    assert [record.labels for record in data.records] == [("dog",), ("cat", "dog"), ("owl",)]
    assert data.splits == {}


@pytest.mark.parametrize("place", ["images/{}", "{}/images"])
def test_splits_may_be_folders_above_or_in_images(tmp_path, place):
    for split, name in (("train", "a"), ("val", "b")):
        folder = place.format(split)
        put(tmp_path / folder, **{name: None})
        tags = tmp_path / folder.replace("images", "labels")
        tags.mkdir(parents=True)
        (tags / f"{name}.txt").write_text("dog")
    assert load_dataset(tmp_path).splits == {"train": 1, "val": 1}


@pytest.mark.parametrize("suffix", ["NEF", "cr2", "arw", "dng"])
def test_a_folder_of_raw_files_says_what_they_are_and_what_to_do(tmp_path, suffix):
    (tmp_path / "deep").mkdir()
    for name in ("a", "deep/b"):
        (tmp_path / f"{name}.{suffix}").touch()
        (tmp_path / f"{name}.xmp").touch()
    told = rf"2 RAW files of a camera \(\.{suffix.lower()}\).* as JPEG .*-ext {suffix} FOLDER"
    with pytest.raises(InputError, match=told):
        load_dataset(tmp_path)
