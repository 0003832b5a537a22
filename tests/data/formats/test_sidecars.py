"""Readers of a file beside every image: PASCAL XML, labelme, Takeout, gallery-dl; and posts."""

import json
from pathlib import Path

import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import (
    MEANT,
    danbooru,
    gallery_dl,
    labelme,
    pascal,
    pascal_xml,
    put_images,
    put_json,
    put_lines,
    put_text,
    takeout,
)


def labels(data):
    return {record.path.name: set(record.labels) for record in data.records}


@pytest.mark.parametrize("write", [pascal_xml, labelme, gallery_dl])
def test_an_image_without_a_file_is_left_out_and_counted(tmp_path, write):
    write(tmp_path)
    put_images(tmp_path, "e.jpg")
    data = load_dataset(tmp_path)
    assert labels(data) == MEANT
    assert "left out: 1 image without a" in data.reason


@pytest.mark.parametrize("write", [pascal_xml, labelme, gallery_dl])
def test_a_folder_of_images_beside_one_of_files_is_read(tmp_path, write):
    write(tmp_path / "annotations")
    put_images(tmp_path / "photos")
    for name in MEANT:
        (tmp_path / "annotations" / name).unlink()
    assert labels(load_dataset(tmp_path)) == MEANT


@pytest.mark.parametrize("write", [pascal_xml, labelme])
def test_folders_called_as_splits_are_the_splits(tmp_path, write):
    write(tmp_path / "train")
    write(tmp_path / "valid")
    assert load_dataset(tmp_path).splits == {"train": 4, "val": 4}


# PASCAL XML


def test_difficult_objects_count_and_an_image_without_objects_has_no_label(tmp_path):
    pascal_xml(tmp_path)
    put_text(tmp_path / "a.xml", pascal("a.jpg", ["sea"]).replace(">0<", ">1<"))
    put_text(tmp_path / "b.xml", pascal("b.jpg", []))
    data = load_dataset(tmp_path)
    assert (labels(data)["a.jpg"], labels(data)["b.jpg"]) == ({"sea"}, set())
    assert "1 image without an object: no label" in data.reason


def test_the_image_that_an_xml_states_is_taken_where_none_has_its_name(tmp_path):
    put_images(tmp_path, "photo.jpg")
    put_text(tmp_path / "1.xml", pascal(r"C:\photos\photo.jpg", ["sea"]))
    assert labels(load_dataset(tmp_path)) == {"photo.jpg": {"sea"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object/></annotation>", r"a\.xml: an object has no name"),
        ("<annotation>", r"a\.xml: is not valid XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', r"a\.xml: refused, .* entities"),
    ],
)
def test_a_wrong_xml_is_refused_with_its_file(tmp_path, text, message):
    pascal_xml(tmp_path)
    put_text(tmp_path / "a.xml", text)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path, reader="pascal_xml")


def test_a_file_that_could_be_of_two_images_is_refused(tmp_path):
    put_text(tmp_path / "annotations" / "a.xml", pascal("a.jpg", ["sea"]))
    put_images(tmp_path / "first", "a.jpg")
    assert labels(load_dataset(tmp_path)) == {"a.jpg": {"sea"}}
    put_images(tmp_path / "second", "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg could be .*first/a\.jpg.*second/a\.jpg"):
        load_dataset(tmp_path)


def test_cvats_voc_export_whose_only_list_is_the_default_is_read(tmp_path):
    pascal_xml(tmp_path / "Annotations")
    (tmp_path / "JPEGImages").mkdir()
    for name in MEANT:
        (tmp_path / "Annotations" / name).rename(tmp_path / "JPEGImages" / name)
    put_text(tmp_path / "ImageSets" / "Main" / "default.txt", *(name[:-4] for name in MEANT))
    data = load_dataset(tmp_path)
    assert (data.reader, labels(data)) == ("pascal_xml", MEANT)


# labelme


def test_an_image_flagged_to_be_ignored_is_left_out(tmp_path):
    labelme(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["flags"]["__ignore__"] = True
    put_json(tmp_path / "a.json", content)
    data = load_dataset(tmp_path)
    assert "__ignore__" not in data.names
    assert (len(data.records), "left out: 1 image flagged __ignore__" in data.reason) == (3, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flags": {"sea": "yes"}}, r"a\.json: flags must be an object of true and false"),
        ({"shapes": [{"label": ""}]}, r"a\.json: shape number 1 has no label"),
    ],
)
def test_a_wrong_labelme_file_is_refused(tmp_path, change, message):
    labelme(tmp_path)
    put_json(tmp_path / "a.json", {**json.loads((tmp_path / "a.json").read_text()), **change})
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path)


# Takeout


def photo(folder, file, title, *people):
    content = {"title": title, "photoTakenTime": {}, "people": [{"name": name} for name in people]}
    put_json(folder / file, content)


@pytest.mark.parametrize(
    ("image", "file", "title"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.json", "IMG_1.jpg"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).json", "IMG_1.jpg"),
        ("IMG_1(1).jpg", "IMG_1.jpg.supplemental-metadata(1).json", "IMG_1.jpg"),
        ("a" * 40 + ".jpg", "a" * 40 + ".jpg.su.json", "a" * 40 + ".jpg"),
        ("a" * 47 + ".jpg", "a" * 46 + ".json", "a" * 60 + ".jpg"),
    ],
)
def test_a_photo_is_found_under_the_names_that_takeout_gives_it(tmp_path, image, file, title):
    put_images(tmp_path, image, "IMG_2.jpg")
    photo(tmp_path, file, title, "Ada")
    photo(tmp_path, "IMG_2.jpg.json", "IMG_2.jpg", "Bo")
    assert labels(load_dataset(tmp_path)) == {image: {"Ada"}, "IMG_2.jpg": {"Bo"}}


def test_photos_of_nobody_and_without_a_json_are_counted(tmp_path):
    takeout(tmp_path)
    put_images(tmp_path / "Photos from 2024", "IMG_1-edited.jpg")
    reason = load_dataset(tmp_path).reason
    assert "1 photo with nobody named: no label; left out: 1 image without a JSON" in reason


def test_photos_without_people_are_refused_with_what_to_do(tmp_path):
    put_images(tmp_path, "IMG_1.jpg")
    photo(tmp_path, "IMG_1.jpg.json", "IMG_1.jpg")
    with pytest.raises(InputError, match=r"name no people, .* put a \.txt of tags beside each"):
        load_dataset(tmp_path)


# Posts and gallery-dl


@pytest.mark.parametrize(
    ("names", "post"),
    [
        ("{id}.png", {"file_ext": "png", "tag_string": "sea long_hair"}),
        ("{md5}.jpg", {"file_url": "https://x.org/y/z.jpg", "tags": "sea long_hair"}),
        ("z.jpg", {"file_url": "https://x.org/y/z.jpg", "tags": ["sea", "long_hair"]}),
        (
            "{md5}.jpg",
            {"file": {"ext": "jpg"}, "tags": {"general": ["sea"], "meta": ["long_hair"]}},
        ),
    ],
)
def test_posts_of_boards_find_their_images_and_keep_their_tags(tmp_path, names, post):
    ids = {"id": 7, "md5": "0f" * 16}
    put_images(tmp_path, names.format(**ids))
    put_lines(tmp_path / "posts.json", [{**ids, **post}])
    data = load_dataset(tmp_path / "posts.json")
    assert (data.reader, data.names) == ("booru", ("long_hair", "sea"))
    assert data.paths[0].is_file()


def test_tags_separated_by_commas_stay_whole(tmp_path):
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "a.jpg.json", {"tags": "open sea, sun"})
    put_json(tmp_path / "b.jpg.json", {"tags": "sun"})
    assert load_dataset(tmp_path).names == ("open sea", "sun")


@pytest.mark.parametrize(
    ("posts", "message"),
    [
        ([{"tag_string": "sea"}], "entry 1: has neither md5 nor id"),
        ([{"id": 1, "tag_string": "sea"}, {"id": 2}], "entry 2: has no tag_string or tags"),
        ([{"id": 1, "tag_string": 5}], "entry 1: tags must be a text or a list"),
        ([{"tag_string": "a", "id": 1}, 5], "entry 2: expected an object; got 5"),
    ],
)
def test_wrong_posts_are_refused_with_their_place(tmp_path, posts, message):
    put_images(tmp_path, "1.jpg", "2.jpg")
    put_json(tmp_path / "posts.json", posts)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / "posts.json")


def test_a_list_of_posts_is_read_as_lines_are(tmp_path):
    danbooru(tmp_path)
    lines = (tmp_path / "posts.json").read_text().splitlines()
    first = labels(load_dataset(tmp_path / "posts.json"))
    put_text(tmp_path / "posts.json", f"[{','.join(lines)}]")
    assert labels(load_dataset(tmp_path / "posts.json")) == first == MEANT


def test_a_takeout_is_read_alike_by_a_relative_path(tmp_path, monkeypatch):
    folder = tmp_path / "takeout"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (4, 4)).save(folder / name)
        content = {"title": name, "photoTakenTime": {}, "people": [{"name": "Ada"}]}
        (folder / f"{name}.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    reasons = [load_dataset(path).reason for path in (folder, Path("takeout"))]
    assert reasons[0] == reasons[1]
    assert "left out" not in reasons[0]
