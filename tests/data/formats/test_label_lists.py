"""MIRFLICKR and other data with a list of images for each label."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from photos import photo


def put(folder, where="annotations", images=("im1", "im2", "im10"), **lists):
    """Write images, and ``<where>/<label>.txt`` for each keyword."""
    for name in images:
        photo(folder / f"{name}.jpg")
    (folder / where).mkdir(exist_ok=True)
    for label, lines in lists.items():
        (folder / where / f"{label}.txt").write_text("\n".join(lines) + "\n")
    return folder


def labels(data):
    return {record.name: record.labels for record in data.records}


@pytest.mark.parametrize("where", ["annotations", "mirflickr25k_annotations_v080", "."])
def test_a_number_is_the_image_that_ends_in_it(tmp_path, where):
    data = load_dataset(put(tmp_path, where, sea=["1", "10"], sun=["010"]))
    assert data.reader == "label_lists"
    assert labels(data) == {"im1.jpg": ("sea",), "im10.jpg": ("sea", "sun"), "im2.jpg": ()}
    assert "1 of 3 images are in no list: show none of the labels" in data.reason
    assert len(load_dataset(tmp_path, variant="listed")) == 2


def test_names_of_images_are_read_alike_and_a_readme_is_no_label(tmp_path):
    put(tmp_path, sea=["im1.jpg", "im2.JPG"], sun=["x\\im10.jpg"], README=["about these lists"])
    data = load_dataset(tmp_path)
    assert data.names == ("sea", "sun")
    assert labels(data)["im10.jpg"] == ("sun",)


def test_a_label_may_begin_as_a_file_that_is_no_list(tmp_path):
    put(tmp_path, sea=["1"], **{"notes of music": ["2"]})
    assert load_dataset(tmp_path).names == ("notes of music", "sea")


def test_relevant_lists_are_labels_unless_left_out(tmp_path):
    put(tmp_path, sea=["1", "2"], sea_r1=["1"], sun=["2"])
    data = load_dataset(tmp_path)
    assert data.names == ("sea", "sea_r1", "sun")
    assert "variant=potential leaves them out" in data.reason
    assert load_dataset(tmp_path, variant="potential").names == ("sea", "sun")


@pytest.mark.parametrize("entry", ["3", "im3.jpg"])
def test_an_image_that_is_not_there_is_refused_with_its_line(tmp_path, entry):
    put(tmp_path, sea=["1", entry], sun=["2"])
    with pytest.raises(InputError, match=rf"sea\.txt, line 2: there is no image '{entry}'"):
        load_dataset(tmp_path, reader="label_lists")


def test_a_number_of_two_images_is_refused(tmp_path):
    put(tmp_path, images=("im1", "a1", "im2"), sea=["2"], sun=["1"])
    with pytest.raises(InputError, match=r"sun\.txt, line 1: there is no image '1', or there are"):
        load_dataset(tmp_path)


def test_lists_of_splits_and_tags_are_no_labels(tmp_path):
    put(tmp_path, ".", train=["im1.jpg"], test=["im2.jpg"])
    with pytest.raises(InputError, match="no tags"):
        load_dataset(tmp_path)
    (tmp_path / "im1.txt").write_text("7")
    (tmp_path / "im2.txt").write_text("8")
    assert load_dataset(tmp_path).reader == "folder"
