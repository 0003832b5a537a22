"""No option is ignored in silence: each reader says which it reads, and the others are refused."""

from pathlib import Path

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.data.formats import FORMATS
from imlgcn.data.formats.base import EVERY_OPTION, ReadOptions, Record
from imlgcn.data.formats.ignored_options import ALWAYS, options_of, read_by
from imlgcn.errors import InputError
from tool_samples import put_images, put_json

GIVEN = {
    "images": (Path("photos"),),
    "fields": ("n",),
    "label_columns": ("what",),
    "label_names": ("sea", "sand"),
    "minus_one": "absent",
    "present_above": 0.5,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_reader_refuses_each_option_that_it_does_not_read_before_it_reads(name, tmp_path):
    reader = FORMATS[name]
    if getattr(reader, "ASKS_OTHERS", False):
        pytest.skip("the readers inside refuse theirs")
    read = options_of(reader)
    for option in {*EVERY_OPTION} - {*read, *ALWAYS}:
        options = ReadOptions(**{option: GIVEN.get(option, "x")})
        with pytest.raises(InputError) as refused:
            read_by(reader, tmp_path / "nowhere", options, "asked for")
        said = str(refused.value)
        assert f"{option}= does not apply to data read by {name}" in said
        assert all(f"{each}=" in said for each in read)


@pytest.fixture
def coco(tmp_path):
    put_images(tmp_path)
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 4, 4]}],
        "categories": [{"id": 7, "name": "sea"}],
    }
    put_json(tmp_path / "instances.json", content)
    return tmp_path


@pytest.mark.parametrize("inside", [False, True], ids=["a file", "its folder"])
def test_an_option_of_tables_is_refused_for_a_coco_file_with_what_applies(cli, coco, inside):
    data = coco if inside else coco / "instances.json"
    for flag in ("--image-column", "--fields", "--sheet", "--delimiter"):
        refused = cli("check", data, flag, "x")
        refused.assert_refused(f"{flag} does not apply to data read by coco", "--images")


def test_scores_and_groups_are_not_ignored_either(coco):
    for option, word in ({"present_above": 0.5}, "scores"), ({"group_column": "who"}, "'who'"):
        with pytest.raises(InputError, match=word):
            load_dataset(coco / "instances.json", **option)


def test_a_folder_of_tags_refuses_options_of_tables(tmp_path):
    put_images(tmp_path, "a.jpg", "b.jpg")
    for name, text in ("a", "sea;sun"), ("b", "sea"):
        (tmp_path / f"{name}.txt").write_text(text)
    with pytest.raises(InputError, match=r"fields= does not apply .* delimiter=, label_names="):
        load_dataset(tmp_path, fields=["x"])
    assert load_dataset(tmp_path, delimiter=";").names == ("sea", "sun")


@pytest.mark.parametrize("option", [{"delimiter": ";"}, {"label_names": ["sea", "sun"]}])
@pytest.mark.parametrize("table", ["sea,sun\na.jpg,0,1\nb.jpg,1,0", "tag1,tag2\na.jpg,sea,sun"])
def test_a_table_with_one_label_in_each_cell_has_nothing_to_separate(tmp_path, table, option):
    put_images(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "t.csv").write_text(f"image,{table}\n")
    with pytest.raises(InputError, match=f"{next(iter(option))}= does not apply to a table with"):
        load_dataset(tmp_path / "t.csv", **option)


def test_data_in_python_refuses_what_it_does_not_read(tmp_path):
    put_images(tmp_path, "a.jpg")
    records = [Record("a.jpg", tmp_path / "a.jpg", ("sea",))]
    with pytest.raises(InputError, match="delimiter= does not apply to data that is a list"):
        load_dataset(records, delimiter=";")


def test_scores_in_a_txt_are_judged_by_the_bound_and_where_there_are_none_it_is_refused(tmp_path):
    put_images(tmp_path, "a.jpg", "b.jpg")
    for name, text in ("a", "sea 0.93\nsun 0.2"), ("b", "sun 0.8"):
        (tmp_path / f"{name}.txt").write_text(text)
    assert load_dataset(tmp_path, present_above=0.5).names == ("sea", "sun")
    (tmp_path / "a.txt").write_text("sea")
    (tmp_path / "b.txt").write_text("sun")
    with pytest.raises(InputError, match="present_above= is for counts, shares and scores"):
        load_dataset(tmp_path, present_above=0.5)
