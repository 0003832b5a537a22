"""VOC: the three treatments of difficult objects, from XML and from lists, which must agree."""

import shutil

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.labels.known_names import VOC as CLASSES

# image: objects as (class, difficult?); 000012 has a bird that is plain and one that is difficult
SHOWN = {
    "000005": [("chair", 0), ("chair", 1), ("sofa", 1)],
    "000007": [("car", 0)],
    "000009": [("person", 1)],
    "000012": [("bird", 1), ("bird", 0), ("person", 0)],
    "000001": [("dog", 0), ("person", 1)],
}
LISTS = {
    "train": ["000005", "000007"],
    "val": ["000009", "000012"],
    "trainval": ["000005", "000007", "000009", "000012"],
    "test": ["000001"],
}


def xml(objects):
    """One <part> with a name stands in every object: it is not an object."""
    inside = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult>"
        "<part><name>head</name></part></object>"
        for name, difficult in objects
    )
    return f"<annotation><filename>x.jpg</filename>{inside}</annotation>"


def code(objects, label):
    """VOC's own: 1 present, 0 difficult, -1 absent."""
    seen = {difficult for name, difficult in objects if name == label}
    return "-1" if not seen else "1" if 0 in seen else "0"


@pytest.fixture
def voc(tmp_path):
    """The devkit of 2007, with both sources of labels."""
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for image, objects in SHOWN.items():
        Image.new("RGB", (8, 8), "red").save(folder / "JPEGImages" / f"{image}.jpg")
        (folder / "Annotations" / f"{image}.xml").write_text(xml(objects))
    for name, images in LISTS.items():
        main = folder / "ImageSets/Main"
        (main / f"{name}.txt").write_text("".join(f"{image}\n" for image in images))
        for label in CLASSES:
            # the official lists pad the number to two places
            lines = [f"{image} {code(SHOWN[image], label):>2}\n" for image in images]
            (main / f"{label}_{name}.txt").write_text("".join(lines))
    return folder


def labels(data):
    """Present and unknown labels of each image."""
    names = np.array(data.names)
    return {
        record.path.stem: (set(names[row == 1]), set(names[row == -1]))
        for record, row in zip(data.records, data.targets, strict=True)
    }


@pytest.fixture(params=["xml", "lists"])
def either(request, voc):
    """The same labels from XML or from the lists of the classes."""
    if request.param == "lists":
        shutil.rmtree(voc / "Annotations")
    return voc


def test_a_label_with_difficult_objects_only_is_unknown(either):
    data = load_dataset(either)
    assert (data.reader, data.names) == ("voc", CLASSES)
    assert labels(data) == {
        "000005": ({"chair"}, {"sofa"}),
        "000007": ({"car"}, set()),
        "000009": (set(), {"person"}),
        "000012": ({"bird", "person"}, set()),
        "000001": ({"dog"}, {"person"}),
    }
    assert (data.targets[1] == 0).sum() == 19, "-1 in VOC's lists is absent"


def test_a_difficult_label_is_present_or_absent_where_the_user_says_so(either):
    present = labels(load_dataset(either, variant="difficult-present"))
    assert present["000005"] == ({"chair", "sofa"}, set())
    assert present["000009"] == ({"person"}, set())
    absent = labels(load_dataset(either, variant="difficult-absent"))
    assert absent["000005"] == ({"chair"}, set())
    assert absent["000009"] == (set(), set())


def test_with_a_labelled_test_set_trainval_is_the_training_split(either):
    assert load_dataset(either).splits == {"train": 4, "test": 1}
    data = load_dataset(either, variant="keep-val,difficult-absent")
    assert data.splits == {"train": 2, "val": 2, "test": 1}
    (either / "ImageSets/Main/trainval.txt").unlink()
    assert load_dataset(either).splits == {"train": 4, "test": 1}


@pytest.mark.parametrize("listed", [True, False])
def test_without_labels_of_the_test_set_train_and_val_are_the_splits(either, listed):
    main = either / "ImageSets/Main"
    (either / "Annotations/000001.xml").unlink(missing_ok=True)
    for label in CLASSES:
        (main / f"{label}_test.txt").unlink()
    if not listed:
        (main / "test.txt").unlink()
    data = load_dataset(either)
    assert data.splits == {"train": 2, "val": 2}
    assert ("left out: 1 image of test.txt without labels" in data.reason) == listed


def test_the_devkit_is_read_when_it_holds_one_year(voc):
    assert load_dataset(voc.parent).names == CLASSES
    assert load_dataset(voc.parent.parent).reason.startswith("voc: VOC2007 holds ImageSets/Main")
    shutil.copytree(voc, voc.with_name("VOC2012"))
    with pytest.raises(InputError, match=r"holds VOC2007, VOC2012; give one, such as .*VOC2007"):
        load_dataset(voc.parent)


def test_published_counts_depend_on_year_and_treatment(voc):
    assert load_dataset(voc).published == "VOC2007"
    assert load_dataset(voc, variant="difficult-absent").published == "VOC2007"
    assert load_dataset(voc, variant="difficult-present").published == "VOC2007, difficult present"
    voc.rename(voc.with_name("VOC2012"))
    later = load_dataset(voc.with_name("VOC2012"), variant="difficult-present")
    assert later.published == "VOC2012"
    voc.with_name("VOC2012").rename(voc.with_name("mine"))
    assert load_dataset(voc.with_name("mine")).published == ""


def test_a_set_of_ones_own_has_the_labels_its_files_name(voc):
    (voc / "Annotations/000007.xml").write_text(xml([("zebra", 0)]))
    data = load_dataset(voc)
    assert data.names == ("bird", "chair", "dog", "person", "sofa", "zebra")
    assert data.published == ""


def test_an_image_of_another_suffix_is_found_and_a_missing_one_is_left_to_the_check(voc):
    images = voc / "JPEGImages"
    (images / "000007.jpg").rename(images / "000007.PNG")
    (images / "000009.jpg").unlink()
    paths = {path.name: path.is_file() for path in load_dataset(voc).paths}
    assert paths["000007.PNG"]
    assert paths["000009.jpg"] is False
    shutil.rmtree(images)
    with pytest.raises(InputError, match="found 0 of 5 images"):
        load_dataset(voc)


def test_missing_labels_are_named(voc):
    (voc / "Annotations/000009.xml").unlink()
    with pytest.raises(InputError, match=r"000009\.xml: the annotation of an image in"):
        load_dataset(voc)
    shutil.rmtree(voc / "Annotations")
    (voc / "ImageSets/Main/cow_trainval.txt").unlink()
    with pytest.raises(InputError, match=r"has no cow_trainval\.txt; there must be one for each"):
        load_dataset(voc)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("000005  2", r"cow_trainval\.txt, line 1: expected an image and 1, -1 or 0; got '000005"),
        ("000005", "line 1: expected an image"),
        ("000007 1", r"lacks 000005, which is in trainval\.txt"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(voc, line, message):
    shutil.rmtree(voc / "Annotations")
    (voc / "ImageSets/Main/cow_trainval.txt").write_text(line)
    with pytest.raises(InputError, match=message):
        load_dataset(voc)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation>", "is not valid XML"),
        ("<annotation><object/></annotation>", "an object has no name"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>',
            "refused, an annotation must not declare a document",
        ),
    ],
)
def test_a_wrong_annotation_is_named(voc, content, message):
    (voc / "Annotations/000005.xml").write_text(content)
    with pytest.raises(InputError, match=rf"000005\.xml: {message}"):
        load_dataset(voc)


def test_an_image_in_train_and_test_is_refused(voc):
    (voc / "ImageSets/Main/test.txt").write_text("000007\n")
    with pytest.raises(InputError, match=r"000007 is in test\.txt and in another list"):
        load_dataset(voc)


def test_what_is_no_voc_folder_is_refused_by_name(tmp_path, voc):
    for name in ("train", "val", "trainval"):
        (voc / f"ImageSets/Main/{name}.txt").unlink()
    with pytest.raises(InputError, match=r"none of train\.txt, val\.txt, trainval\.txt"):
        load_dataset(voc)
    (tmp_path / "other/more").mkdir(parents=True)
    (tmp_path / "other/file.txt").touch()
    with pytest.raises(InputError, match="is not a VOC folder; expected ImageSets/Main"):
        load_dataset(tmp_path / "other", reader="voc")
