"""Lists whose lines belong together: images in one, numbers for labels in the other."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from photos import photo

CLOTHES = "2\nattribute_name attribute_type\npalm tree  1\nsea  1\n"


def put(folder, listed="train.txt", labels="train_labels.txt", numbers=("1 0", "0 1")):
    """Write two images, the list of them and a list of numbers."""
    for name in ("a", "b"):
        photo(folder / "img" / f"{name}.jpg")
    (folder / listed).write_text("img/a.jpg\nimg/b.jpg\n")
    (folder / labels).write_text("\n".join(numbers) + "\n")
    return folder


@pytest.mark.parametrize(
    ("listed", "labels"),
    [
        ("train.txt", "train_attr.txt"),
        ("database_img.txt", "database_label.txt"),
        ("images.txt", "labels.txt"),
        ("TrainImagelist.txt", "TrainLabels.txt"),
    ],
)
def test_lists_are_paired_by_their_names_from_either_and_from_their_folder(
    tmp_path, listed, labels
):
    put(tmp_path, listed, labels)
    (tmp_path / "names.txt").write_text("palm tree\nsea\n")
    for path in (tmp_path / listed, tmp_path / labels, tmp_path):
        data = load_dataset(path)
        assert (data.reader, data.names) == ("parallel_lists", ("palm tree", "sea"))
        assert data.targets.tolist() == [[1, 0], [0, 1]]
        assert all(file.is_file() for file in data.paths)


def test_the_names_of_deepfashion_are_found_and_lists_of_a_folder_are_splits(tmp_path):
    put(tmp_path, labels="train_attr.txt")
    put(tmp_path, "val.txt", "val_attr.txt", ["1 1", "0 0"])
    put(tmp_path, "more.txt", "more_attr.txt")
    (tmp_path / "list_attr_cloth.txt").write_text(CLOTHES)
    data = load_dataset(tmp_path)
    assert (data.names, data.splits) == (("palm tree", "sea"), {"train": 2, "val": 2})
    assert "left out: more.txt" in data.reason


def test_without_names_they_are_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"train_labels\.txt: has 2 values .* \(label_names=FILE"):
        load_dataset(put(tmp_path))
    assert load_dataset(tmp_path, label_names=["sea", "sun"]).names == ("sea", "sun")


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (["1 0"], "has 1 line for 2 images in train.txt"),
        (["1 0", "0 1 1"], "is not a number from|has a label twice"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path, numbers, message):
    put(tmp_path, numbers=numbers)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path, label_names=["sea", "sun"])
