"""CVAT's XML and Datumaro's JSON."""

import json

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import cvat, datumaro, put_images, put_text


def write_xml(folder, images, meta=""):
    put_images(folder / "images", "a.jpg", "b.jpg")
    put_text(
        folder / "annotations.xml",
        f"<annotations><version>1.1</version>{meta}{images}",
        "</annotations>",
    )
    return folder / "annotations.xml"


IMAGE = '<image id="0" name="a.jpg" width="8" height="8">{}</image>'


@pytest.mark.parametrize(
    "shape",
    ["tag", "box", "polygon", "polyline", "points", "mask", "ellipse", "cuboid", "skeleton"],
)
def test_every_shape_is_a_label(tmp_path, shape):
    mark = f'<{shape} label="sea"><attribute name="wet">yes</attribute></{shape}>'
    assert load_dataset(write_xml(tmp_path, IMAGE.format(mark))).names == ("sea",)


def test_labels_keep_the_order_of_the_file_and_joints_of_skeletons_are_none(tmp_path):
    labels = "<label><name>sun</name></label><label><name>person</name></label>"
    joint = "<label><name>knee</name><parent>person</parent></label>"
    meta = f"<meta><project><labels>{labels}{joint}</labels></project></meta>"
    person = '<skeleton label="person"><points label="knee"></points></skeleton>'
    data = load_dataset(write_xml(tmp_path, IMAGE.format(person), meta))
    assert data.names == ("sun", "person")
    assert data.records[0].labels == ("person",)


def test_subsets_of_a_project_are_splits_and_their_folders_are_looked_in(tmp_path):
    images = "".join(
        f'<image id="{n}" name="{name}" subset="{subset}"><tag label="sea"/></image>'
        for n, (name, subset) in enumerate([("c.jpg", "Train"), ("d.jpg", "Validation")])
    )
    path = write_xml(tmp_path, images)
    put_images(tmp_path / "images" / "Train", "c.jpg")
    put_images(tmp_path / "images" / "Validation", "d.jpg")
    data = load_dataset(path)
    assert data.splits == {"train": 1, "val": 1}
    assert all(found.is_file() for found in data.paths)
    path.write_text(path.read_text().replace("Train", "First"))
    (tmp_path / "images" / "Train").rename(tmp_path / "images" / "First")
    assert load_dataset(path).splits == {}


def test_an_image_without_a_mark_has_no_label_and_is_counted(tmp_path):
    second = IMAGE.replace("a.jpg", "b.jpg").format("")
    data = load_dataset(write_xml(tmp_path, IMAGE.format('<tag label="sea"/>') + second))
    assert data.targets.tolist() == [[1], [0]]
    assert "1 image without an annotation: no label" in data.reason


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            '<track id="0" label="sea"><box frame="0"/></track>',
            "tracks of a video; export the task",
        ),
        ("", "holds no images"),
        (IMAGE.format("<tag/>"), r"image number 1 \(a\.jpg\): a tag has no label"),
        (IMAGE.format('<tag label="moon"/>'), "the label 'moon', which is not in the file's list"),
        ('<image id="0"><tag label="sea"/></image>', "image number 1 has no name"),
        ("<image", "is not valid XML"),
    ],
)
def test_a_wrong_xml_is_refused_with_its_place(tmp_path, images, message):
    meta = "<meta><task><labels><label><name>sea</name></label></labels></task></meta>"
    with pytest.raises(InputError, match=message):
        load_dataset(write_xml(tmp_path, images, meta), reader="cvat")


def test_entities_are_refused_in_any_encoding(tmp_path):
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><annotations/>'
    (tmp_path / "annotations.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(InputError, match="must not declare"):
        load_dataset(tmp_path / "annotations.xml", reader="cvat")


def test_a_folder_of_fiftyone_in_cvats_format_is_read(tmp_path):
    cvat(tmp_path)
    (tmp_path / "annotations.xml").rename(tmp_path / "labels.xml")
    (tmp_path / "images").rename(tmp_path / "data")
    assert all(path.is_file() for path in load_dataset(tmp_path).paths)


# Datumaro


@pytest.fixture
def exported(tmp_path):
    datumaro(tmp_path)
    return tmp_path / "annotations" / "default.json"


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_files_of_datumaro_are_splits_and_media_name_the_image(exported):
    content = json.loads(exported.read_text())
    for item in content["items"]:
        item["media"] = item.pop("image")
    folder = exported.parent
    for name, part in {"train": slice(0, 3), "test": slice(3, 4)}.items():
        part = {**content, "dm_format_version": "1.0", "items": content["items"][part]}
        (folder / f"{name}.json").write_text(json.dumps(part))
    exported.unlink()
    data = load_dataset(folder.parent, images=folder.parent / "images" / "default")
    assert (data.reader, data.splits) == ("datumaro", {"train": 3, "test": 1})
    assert data.names == ("sea", "sand", "boat", "sun")


def test_captions_are_left_out_and_counted(exported):
    change(exported, lambda c: c["items"][0]["annotations"].append({"type": "caption"}))
    assert "left out: 1 annotation without a label (caption)" in load_dataset(exported).reason


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda c: c["items"][1]["annotations"][0].update(label_id=4),
            r"item number 2 \(b\): label_id 4",
        ),
        (
            lambda c: c["items"][1]["annotations"][0].update(label_id=-1),
            "label_id -1 is not a position",
        ),
        (lambda c: c["items"][1].pop("annotations"), "item number 2 has no list of annotations"),
        (lambda c: c.update(categories={}), r"needs categories\.label\.labels"),
        (lambda c: c.update(items=[]), "lists no items"),
        (
            lambda c: c["items"][0].update(image=None, id=""),
            "item number 1 has neither an image path",
        ),
    ],
)
def test_a_wrong_datumaro_file_is_refused_with_its_place(exported, edit, message):
    change(exported, edit)
    with pytest.raises(InputError, match=message):
        load_dataset(exported, reader="datumaro")
