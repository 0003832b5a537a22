"""Images that a list names are found wherever they usually are, and never silently another one."""

import time
import unicodedata
from pathlib import Path

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.data.formats.image_files import locate
from imlgcn.errors import InputError


@pytest.fixture
def tree(tmp_path):
    """Make empty image files; return a finder of names, relative to the folder of the list."""

    def make(*files):
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()

        def find(*names, images=(), listed="photos.csv"):
            found = locate(names, tmp_path / listed, [tmp_path / folder for folder in images])
            return [
                path.relative_to(tmp_path).as_posix() if path.is_file() else None for path in found
            ]

        return find

    return make


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("a.JPG", "a.jpg"),  # a camera's suffix
        ("a.jpg", "a.JPG"),
        ("a.jpg", "a"),
        ("patient.1.png", "patient.1"),
        ("IMG_1.jpg", "img_1.JPG"),  # from a system that does not tell them apart
        ("images/a.jpg", "a.jpg"),
        ("images/a.jpg", "a"),
        ("train_images/a.jpg", "a.jpg"),
        ("train_images/deep/a.jpg", "a"),
        ("x/a.jpg", "set/x/a.jpg"),
        ("a.jpg", "https://example.com/img/a.jpg"),
        ("a b.jpg", "https://example.com/img/a%20b.jpg?size=2"),
        ("photos/a.jpg", "gs://bucket/import/a.jpg"),
        ("photos/a.jpg", "/home/ann/pictures/a.jpg"),
        ("photos/a.jpg", "C:/Users/ann/Pictures/a.jpg"),
        (unicodedata.normalize("NFD", "Grün.jpg"), unicodedata.normalize("NFC", "Grün.jpg")),
        (unicodedata.normalize("NFC", "é/a.jpg"), unicodedata.normalize("NFD", "é/a.jpg")),
    ],
)
def test_a_name_finds_its_file(tree, file, name):
    assert tree(file)(name) == [file]


def test_a_name_as_written_counts_before_every_other_file(tree):
    find = tree("a.jpg", "copy/a.jpg", "copy/a.png", "images/b.jpg", "old/b.jpg")
    assert find("a.jpg", "b.jpg") == ["a.jpg", "images/b.jpg"]


def test_the_folders_that_the_user_names_are_the_only_ones(tree):
    find = tree("a.jpg", "x/a.jpg", "y/deep/b.jpg", "b.jpg")
    assert find("a.jpg", "b.jpg", images=["x", "y"]) == ["x/a.jpg", "y/deep/b.jpg"]


@pytest.mark.parametrize(
    ("files", "name", "images"),
    [
        (["x/a.jpg", "y/a.jpg"], "a.jpg", []),
        (["x/a.jpg", "y/a.jpg"], "a.jpg", ["x", "y"]),
        (["a.jpg", "a.png"], "a", []),
        (["a.jpeg", "a.png"], "a.jpg", []),
        (["x/p/a.jpg", "y/p/a.jpg"], "/data/p/a.jpg", []),
        (["A.jpg", "b/A.jpg"], "https://example.com/a.jpg", []),
    ],
)
def test_two_files_for_one_name_are_refused_with_both(tree, files, name, images):
    with pytest.raises(InputError) as refused:
        tree(*files)(name, images=images)
    assert all(file in str(refused.value) for file in files)
    said = str(refused.value)
    assert "images=" in said or "folder" in said or "its suffix" in said


@pytest.mark.parametrize(
    ("files", "names", "found"),
    [
        # the other split, class or folder has a file of the same name
        (["test/0.jpg", "a.jpg"], ["train/0.jpg", "a.jpg"], [None, "a.jpg"]),
        (["dog/0.jpg", "a.jpg"], ["cat/0.jpg", "a.jpg"], [None, "a.jpg"]),
        (["test/0.jpg", "a.jpg"], ["/data/train/0.jpg", "/data/a.jpg"], [None, "a.jpg"]),
        (["test_images/0.jpg", "1.jpg"], ["D:/train/0.jpg", "D:/1.jpg"], [None, "1.jpg"]),
        # a picture of another suffix that is listed itself, or is a mask
        (["0.png", "a.jpg"], ["0.jpg", "0.png", "a.jpg"], [None, "0.png", "a.jpg"]),
        (["masks/0.png", "a.jpg"], ["0.jpg", "a.jpg"], [None, "a.jpg"]),
        # folders that differ say something, if they are not here
        (["0.jpg", "1.jpg", "a.jpg"], ["cat/0.jpg", "dog/1.jpg", "a.jpg"], [None, None, "a.jpg"]),
        # a name that is written and there is not lost to one that is not
        (["cat/0.jpg", "0.jpg"], ["cat/0.jpg", "dog/0.jpg", "0.jpg"], ["cat/0.jpg", None, "0.jpg"]),
    ],
)
def test_a_file_of_another_folder_or_suffix_is_not_taken(tree, files, names, found):
    assert tree(*files)(*names) == found


def test_two_images_that_could_only_be_one_file_are_refused(tree):
    find = tree("photos/0.jpg", "photos/1.jpg")
    with pytest.raises(InputError, match=r"cat/0\.jpg and .*dog/0\.jpg could only be the same"):
        find("/data/cat/0.jpg", "/data/dog/0.jpg")


@pytest.mark.parametrize("listed", ["train.csv", "annotations/train.csv"])
def test_a_list_of_a_split_finds_its_own_folder(tree, listed):
    find = tree("train/0.jpg", "test/0.jpg", "annotations/x.txt")
    assert find("0.jpg", listed=listed) == ["train/0.jpg"]


def test_a_list_of_a_split_never_takes_images_of_another(tree):
    find = tree("test_images/0.jpg", "photos/1.jpg")
    assert find("0.jpg", "1.jpg", listed="train.csv") == [None, "photos/1.jpg"]
    with pytest.raises(InputError, match="found 0 of 1 image"):
        find("0.jpg", listed="train.csv")


def test_a_missing_image_is_where_it_should_be(tree, tmp_path):
    tree("images/a.jpg")
    found = locate(["a.jpg", "b.jpg"], tmp_path / "photos.csv")
    assert found == [tmp_path / "images/a.jpg", tmp_path / "images/b.jpg"]


@pytest.mark.parametrize(
    ("files", "name", "words"),
    [
        ([], "a.jpg", "found 0 of 1 image .*'a.jpg'.*there are no images; say which folder"),
        (["x/b.jpg"], "a.jpg", "1 other image, such as 'x/b.jpg'; say which folder.*images=FOLDER"),
        ([], "https://example.com/a.jpg", "addresses are not fetched"),
        (
            ["x/a_red.png", "x/a_blue.png"],
            "a",
            r"a has several files \(a_blue.png, a_red.png\): join",
        ),
    ],
)
def test_without_any_image_the_error_says_what_is_there(tree, files, name, words):
    with pytest.raises(InputError, match=words):
        tree(*files)(name)


def test_a_folder_that_is_not_there_is_refused_by_its_name(tree):
    with pytest.raises(InputError, match=r"no folder .*nowhere; images= takes"):
        tree("a.jpg")("a.jpg", images=["nowhere"])


def test_hidden_folders_and_links_in_a_circle_are_no_trouble(tree, tmp_path):
    find = tree(".thumbs/a.jpg", "x/a.jpg")
    (tmp_path / "x/again").symlink_to(tmp_path / "x")
    assert find("a") == ["x/a.jpg"]


def test_thousands_of_names_are_found_in_seconds(monkeypatch, tmp_path):
    from imlgcn.data.formats import image_index

    names = [f"{n:06d}" for n in range(30_000)]
    walked = [(str(tmp_path), [], [f"{name}.jpg" for name in names])]
    monkeypatch.setattr(
        image_index.os, "walk", lambda folder, followlinks: walked if folder == tmp_path else []
    )
    start = time.process_time()
    found = locate(names, tmp_path / "photos.csv")
    assert found[-1] == Path(tmp_path / "029999.jpg")
    assert time.process_time() - start < 3


@pytest.mark.parametrize("file", ["a.jpeg", "a.JPG", "a.png", "deep/a.webp"])
def test_a_file_of_another_suffix_is_found_where_there_is_none_of_the_listed_one(tree, file):
    assert tree(file, "b.jpg")("a.jpg", "b.jpg") == [file, "b.jpg"]


def test_two_names_for_one_file_of_another_suffix_are_refused(tree):
    with pytest.raises(InputError, match=r"a\.jpg and a\.png could only be the same file"):
        tree("a.webp", "b.jpg")("a.jpg", "a.png", "b.jpg")


def test_another_suffix_is_said_once(listed):
    data = listed(
        "image,labels\n0.jpg,sea\n1.png,sun\n2.jpg,sea\n", images=("0.jpeg", "1.PNG", "2.png")
    )
    assert data.reason.endswith(
        "2 images have another suffix than listed, such as 0.jpeg for 0.jpg"
    )
    assert "suffix" not in listed("image,labels\n0,sea\n2.png,sun\n", images=("0.jpeg",)).reason


def test_a_list_of_raw_files_says_what_they_are(tmp_path):
    (tmp_path / "x.NEF").touch()
    (tmp_path / "photos.csv").write_text("image,labels\nx.jpg,sea\n")
    with pytest.raises(InputError, match=r"1 RAW file of a camera \(\.nef\).*export them as JPEG"):
        load_dataset(tmp_path / "photos.csv")
