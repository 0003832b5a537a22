"""NUS-WIDE: the official lists with their back-slashes, and the CSV that ASL made of them."""

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

CONCEPTS = ["sky", "airport", "dog"]  # not in alphabetical order: the file's order counts
IMAGES = {
    "Train": [r"actor\0001_1.jpg", r"actor\0002_2.jpg", r"zoo\0001_3.jpg"],
    "Test": [r"zoo\0009_4.jpg"],
}
LABELS = {
    "Train": {"sky": "101", "airport": "001", "dog": "000"},
    "Test": {"sky": "0", "airport": "0", "dog": "1"},
}


def put_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)


@pytest.fixture
def nus(tmp_path):
    for name in ("ImageList", "ConceptsList", "Groundtruth/TrainTestLabels"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ConceptsList/Concepts81.txt").write_text("\n".join(CONCEPTS) + "\n")
    for part, images in IMAGES.items():
        text = "".join(f"{image}\r\n" for image in images)
        (tmp_path / f"ImageList/{part}Imagelist.txt").write_text(text, newline="")
        for concept, values in LABELS[part].items():
            file = tmp_path / f"Groundtruth/TrainTestLabels/Labels_{concept}_{part}.txt"
            file.write_text("".join(f"{value}\n" for value in values))
        for image in images:
            put_image(tmp_path / "Flickr" / image.replace("\\", "/"))
    return tmp_path


def test_lists_and_labels_are_joined_line_by_line(nus):
    data = load_dataset(nus)
    assert (data.reader, list(data.names)) == ("nus_wide", CONCEPTS)
    assert data.splits == {"train": 3, "test": 1}
    np.testing.assert_array_equal(data.targets, [[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]])


def test_all_labels_without_parts_are_data_without_splits(nus):
    labels, listed = nus / "Groundtruth/AllLabels", nus / "ImageList"
    (nus / "Groundtruth/TrainTestLabels").rename(labels)
    for concept in CONCEPTS:
        parts = [labels / f"Labels_{concept}_{part}.txt" for part in IMAGES]
        (labels / f"Labels_{concept}.txt").write_text("".join(p.read_text() for p in parts))
    images = [listed / f"{part}Imagelist.txt" for part in IMAGES]
    (listed / "Imagelist.txt").write_text("".join(file.read_text() for file in images))
    data = load_dataset(nus)
    assert data.splits == {}
    np.testing.assert_array_equal(data.targets, [[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]])


def test_back_slashes_become_slashes(nus):
    data = load_dataset(nus)
    assert data.records[2].name == "zoo/0001_3.jpg"
    assert data.paths[2] == nus / "Flickr/zoo/0001_3.jpg"
    assert all(path.is_file() for path in data.paths)


def test_images_without_any_concept_are_left_out_of_labelled_images(nus):
    data = load_dataset(nus, variant="labelled")
    assert [record.name for record in data.records] == [
        "actor/0001_1.jpg",
        "zoo/0001_3.jpg",
        "zoo/0009_4.jpg",
    ]
    assert "left out: 1 image with no concept" in data.reason


def test_a_missing_image_is_left_to_the_check_and_all_missing_are_refused(nus):
    (nus / "Flickr/actor/0001_1.jpg").unlink()
    assert [path.is_file() for path in load_dataset(nus).paths] == [False, True, True, True]
    elsewhere = (nus / "Flickr").rename(nus.parent / "elsewhere")
    with pytest.raises(InputError, match="found 0 of 4 images"):
        load_dataset(nus)
    assert load_dataset(nus, images=elsewhere).paths[1].is_file()


def test_only_all_81_concepts_have_published_counts(nus):
    assert load_dataset(nus).published == ""
    more = [f"concept{n}" for n in range(78)]
    (nus / "Concepts81.txt").write_text("\n".join(CONCEPTS + more))
    (nus / "ConceptsList/Concepts81.txt").unlink()
    for concept in more:
        for part, zeros in (("Train", "0\n0\n0\n"), ("Test", "0\n")):
            file = nus / f"Groundtruth/TrainTestLabels/Labels_{concept}_{part}.txt"
            file.write_text(zeros)
    assert load_dataset(nus).published == "NUS-WIDE, all images"
    assert load_dataset(nus, variant="labelled").published == "NUS-WIDE, labelled images"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "ImageList/TestImagelist.txt",
            None,
            r"TestImagelist\.txt: is missing; the label files refer",
        ),
        ("ConceptsList/Concepts81.txt", None, r"has no ConceptsList/Concepts81\.txt"),
        (
            "Groundtruth/TrainTestLabels/Labels_dog_Train.txt",
            None,
            "is missing; every concept needs one",
        ),
        ("Groundtruth/TrainTestLabels/Labels_dog_Train.txt", "0\n1\n", "has 2 lines for 3 images"),
        ("Groundtruth/TrainTestLabels/Labels_dog_Train.txt", "0\n1\n-1\n", "line 3: expected 0 or"),
    ],
)
def test_files_that_are_missing_or_do_not_fit_are_named(nus, file, text, message):
    (nus / file).unlink()
    if text is not None:
        (nus / file).write_text(text)
    with pytest.raises(InputError, match=message):
        load_dataset(nus)


ASL = """filepath,label,split_name
images/0001_1.jpg,"['sky', 'dog']",train
images\\0002_2.jpg,"['dog']",val
images/0003_3.jpg,"[""dog's""]",train
"""


@pytest.fixture
def asl(tmp_path):
    for number in (1, 2, 3):
        put_image(tmp_path / f"images/000{number}_{number}.jpg")
    (tmp_path / "nus_wid_data.csv").write_text(ASL)
    return tmp_path / "nus_wid_data.csv"


def test_the_list_of_asl_is_read_and_its_val_is_the_test_split(asl):
    data = load_dataset(asl)
    assert (data.reader, data.names) == ("asl", ("dog", "dog's", "sky"))
    np.testing.assert_array_equal(data.targets, [[1, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert data.splits == {"train": 2, "test": 1}
    assert "its val is the test split" in data.reason
    assert data.records[1].name == "images/0002_2.jpg"
    assert all(path.is_file() for path in data.paths)
    assert load_dataset(asl, variant="keep-val").splits == {"train": 2, "val": 1}


def test_a_folder_with_the_list_of_asl_is_read_as_such(asl):
    assert load_dataset(asl.parent).reader == "asl"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("['dog']", "dog", r"line 3: expected labels as \['clouds', 'sky'\]; got 'dog'"),
        ("['dog']", "['dog'", "line 3: expected labels"),
        (",val", ",nowhere", "line 3: unknown split 'nowhere'"),
    ],
)
def test_a_wrong_line_of_the_list_of_asl_is_named(asl, old, new, message):
    asl.write_text(ASL.replace(old, new))
    with pytest.raises(InputError, match=message):
        load_dataset(asl)


def test_another_csv_is_not_taken_for_the_list_of_asl(asl):
    asl.write_text("filepath,label\nimages/0001_1.jpg,['sky']\n")
    with pytest.raises(InputError, match="has no column 'split_name'; it has filepath, label"):
        load_dataset(asl, reader="asl")
