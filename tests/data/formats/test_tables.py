"""Tables as people have them: other names, no header, several columns of labels."""

import re

import numpy as np
import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

from .conftest import LABELS

MEANT = list(LABELS)


@pytest.mark.parametrize(
    "image", ["filename", "File Name", "path", "image_id", "Image Index", "id"]
)
@pytest.mark.parametrize(
    "labels", ["labels", "label", "Tags", "classes", "Finding Labels", "genre"]
)
def test_usual_names_of_columns_are_known_and_said(listed, labels_of, image, labels):
    data = listed(f"{image},{labels}\n0.jpg,boat;sea\n1.jpg,sand\n2.jpg,sea\n")
    assert labels_of(data) == MEANT
    assert f"has the columns {image}, {labels}" in data.reason


def test_the_user_names_the_columns(listed, labels_of):
    text = "who,what,when,where\n0.jpg,boat;sea,test,x\n1.jpg,sand,train,y\n2.jpg,sea,train,x\n"
    columns = {"image_column": "who", "label_columns": "what", "split_column": "When"}
    data = listed(text, **columns, group_column="where")
    assert labels_of(data) == MEANT
    assert data.splits == {"train": 2, "test": 1}
    assert [record.group for record in data.records] == ["x", "y", "x"]
    assert data.records[0].fields == {}


@pytest.mark.parametrize(
    ("option", "argument"),
    [
        ({"image_column": "flie"}, "image_column"),
        ({"label_columns": ["flie"]}, "label_columns"),
        ({"split_column": "flie"}, "split_column"),
        ({"fields": ["flie"]}, "fields"),
        ({"group_column": "flie"}, "group_column"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_the_nearest_and_all(listed, option, argument):
    with pytest.raises(
        InputError, match=rf"'flie' .{argument}=.; did .* 'file'\? Its .* file, tags"
    ):
        listed("file,tags\n0.jpg,sea\n", **option)


def test_the_column_whose_cells_are_files_is_that_of_the_images(listed, labels_of):
    text = "imdb,link,Genre\n0,https://x.example/a,boat|sea\n1,https://x.example/b,sand\n2,c,sea\n"
    data = listed(text, where="posters")
    assert labels_of(data) == MEANT
    assert all(path.is_file() for path in data.paths)
    with pytest.raises(InputError, match=r"'before' and 'after' both name images.*image_column="):
        listed("before,after,tags\n0.jpg,1.jpg,sea\n1.jpg,2.jpg,sand\n")


def test_a_known_name_without_files_gives_way_to_one_with(listed, labels_of):
    data = listed("id,shot,tags\n7,0.jpg,boat;sea\n8,1.jpg,sand\n9,2.jpg,sea\n")
    assert labels_of(data) == MEANT


@pytest.mark.parametrize(
    "text",
    [
        "TRAIN,0.jpg,boat,sea\nVALIDATE,1.jpg,sand\nTEST,2.jpg,sea\n",  # Vertex AI
        "0.jpg,boat,sea\n1.jpg,sand\n2.jpg,sea\n",
        "0.jpg,boat;sea\n1.jpg,sand\n2.jpg,sea\n",
        "gs://bucket/0.jpg,boat,sea\ngs://bucket/1.jpg,sand\ngs://bucket/2.jpg,sea\n",
        "0.jpg;boat|sea\n1.jpg;sand\n2.jpg;sea\n",
        "image,labels\n0.jpg,boat,sea\n1.jpg,sand\n2.jpg,sea\n",  # unquoted
        "image,tag1,tag2\n0.jpg,boat,sea\n1.jpg,sand,\n2.jpg,sea,\n",
        "image,tag,tag\n0.jpg,boat,sea\n1.jpg,sand,\n2.jpg,sea,\n",
        "filename\tlabel_1\tlabel_2\n0.jpg\tboat\tsea\n1.jpg\tsand\t\n2.jpg\tsea\tNaN\n",
        "image,label\n0.jpg,boat\n0.jpg,sea\n1.jpg,sand\n2.jpg,sea\n",  # one row per label
        "file,class,xmin,ymin,xmax,ymax\n0.jpg,boat,1,2,3,4\n0.jpg,sea,0,0,1,1\n0.jpg,sea,5,5,6,6\n"
        "1.jpg,sand,0,0,2,1\n2.jpg,sea,0,0,2,2\n",
        "image,boat,sand,sea\n0.jpg,x,,x\n1.jpg,,X,\n2.jpg,,,x\n",
        "image,boat,sand,sea\n0.jpg,yes,no,yes\n1.jpg,no,yes,no\n2.jpg,no,no,yes\n",
        "image,boat,sand,sea\n0.jpg,TRUE,FALSE,TRUE\n1.jpg,FALSE,TRUE,FALSE\n2.jpg,FALSE,FALSE,TRUE\n",
        "\ufeffname,tags\n0.jpg,boat;sea\n1.jpg,sand\n2.jpg,sea\n",
        "sep=;\nimage;tags\n0.jpg;boat,sea\n1.jpg;sand\n2.jpg;sea\n",
        "Photos of 2024,\n\nimage,tags\n0.jpg,boat;sea\n1.jpg,sand\n2.jpg,sea\n",
        "# made by hand\nfilename,boat,sand,sea\n0.jpg,1,0,1\n1.jpg,0,1,0\n2.jpg,0,0,1\n",
        '"image;tags"\n"0.jpg;boat,sea"\n"1.jpg;sand"\n"2.jpg;sea"\n',
        "image,tags\r0.jpg,boat;sea\r1.jpg,sand\r2.jpg,sea\r",
        "image,boat,sand,sea\n0.jpg,T,F,T\n1.jpg,F,T,F\n2.jpg,F,F,T\n",
        "image,boat,sand,sea\n0.jpg,+,-,+\n1.jpg,-,+,-\n2.jpg,-,-,+\n",
        "image,label,present\n0.jpg,boat,yes\n0.jpg,sand,no\n0.jpg,sea,yes\n1.jpg,sand,yes\n"
        "2.jpg,sea,yes\n",
        "image|tags\n0.jpg|boat,sea\n1.jpg|sand\n2.jpg|sea\n",
        "image,class_id,class\n0.jpg,0,boat\n0.jpg,2,sea\n1.jpg,1,sand\n2.jpg,2,sea\n",
    ],
)
def test_the_same_labels_are_read_from_every_layout(listed, labels_of, text):
    data = listed(text)
    assert labels_of(data) == MEANT
    assert not (data.targets < 0).any()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_found_out_and_windows_is_said(listed, encoding):
    data = listed("image,labels\n0.jpg,Bäume\n1.jpg,Café\n".encode(encoding))
    assert data.names == ("Bäume", "Café")
    assert ("Windows" in data.reason) == (encoding == "cp1252")


def test_rows_of_an_image_with_several_labels_are_left_to_the_check(listed):
    data = listed("image,labels\n0.jpg,boat;sea\n0.jpg,sand;sea\n1.jpg,sand\n")
    assert len(data) == 3


def test_joined_rows_are_said_and_keep_split_and_group(listed):
    text = "image,label,split,group\n0.jpg,boat,test,a\n0.jpg,sea,test,a\n1.jpg,sand,train,b\n"
    data = listed(text)
    assert data.splits == {"train": 1, "test": 1}
    assert [record.group for record in data.records] == ["a", "b"]
    assert "3 rows joined to 2 images" in data.reason


def test_rows_of_an_image_in_two_splits_are_left_to_the_check(listed):
    data = listed("image,label,split\n0.jpg,boat,train\n0.jpg,sea,test\n1.jpg,sea,train\n")
    assert (len(data), data.splits) == (3, {"train": 2, "test": 1})


def test_a_column_that_says_whether_a_label_is_present_is_heeded(listed, labels_of):
    rows = ["0.jpg,boat,1", "0.jpg,sand,0", "0.jpg,sea,1", "1.jpg,sand,1", "2.jpg,sea,1", ""]
    text = "\n".join(["image,label,confidence", *rows])
    assert labels_of(listed(text)) == MEANT
    soft = text.replace(",1\n", ",0.9\n").replace(",0\n", ",0.2\n")
    with pytest.raises(InputError, match=r"'0.9' in the column 'confidence' .*present_above=0.5"):
        listed(soft)
    assert labels_of(listed(soft, present_above=0.5)) == MEANT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "0.jpg,1,0\n1.jpg,0,1\n",
            "looks like data; write a line before it .*image and each label",
        ),
        ("x,0.jpg,sea\ny,1.jpg,sand\n", "looks like data; write a line before it .*image,labels"),
        (
            "image,tags,category\n0.jpg,sea,x\n1.jpg,sand,y\n",
            r"'tags' and 'category' .*label_columns=",
        ),
        (
            "image,tags,a,b\n0.jpg,sea,1,0\n1.jpg,sand,0,1\n",
            "'tags' and 'a' could all be the labels",
        ),
    ],
)
def test_what_could_be_read_in_two_ways_is_asked(listed, text, words):
    with pytest.raises(InputError, match=words):
        listed(text)


@pytest.mark.parametrize(
    ("text", "splits"),
    [
        ("split\nTRAIN\nVALIDATE\nTEST\n", {"train": 1, "val": 1, "test": 1}),
        ("set\ntraining\neval\nholdout\n", {"train": 1, "val": 1, "test": 1}),
        ("Partition\n0\n1\n2\n", {"train": 1, "val": 1, "test": 1}),
        ("is_valid\nFalse\nTrue\nFalse\n", {"train": 2, "val": 1}),
        ("is_test\n0\n0\n1\n", {"train": 2, "test": 1}),
        ("split\ntrain\nunassigned\ntrain\n", {"train": 2}),
        ("subset\nred\ntrain\nblue\n", {}),
        ("fold\n0\n1\n2\n", {}),
    ],
)
@pytest.mark.parametrize("labels", ["tags", "columns"])
def test_splits_are_known_by_name_and_words_and_are_no_labels(listed, text, splits, labels):
    head, *cells = text.split()
    body = ["boat;sea", "sand", "sea"] if labels == "tags" else ["1,0,1", "0,1,0", "0,0,1"]
    lines = [f"{n}.jpg,{cell},{row}" for n, (cell, row) in enumerate(zip(cells, body, strict=True))]
    names = "tags" if labels == "tags" else "boat,sand,sea"
    data = listed("\n".join([f"image,{head},{names}", *lines]))
    assert data.splits == splits
    assert data.names == ("boat", "sand", "sea")


@pytest.mark.parametrize("names", [("train/0", "train/1", "val/2"), ("0", "1", "2")])
def test_folders_called_as_splits_are_the_splits(listed, tmp_path, names):
    rows = "".join(f"{name}.jpg,sea\n" for name in names)
    for file in ("train/0.jpg", "train/1.jpg", "val/2.jpg"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    data = listed(f"image,labels\n{rows}", images=())
    assert data.splits == {"train": 2, "val": 1}
    assert "the folders of the images are the splits" in data.reason
    said = listed(f"image,labels,split\n{rows.replace('sea', 'sea,test')}", images=())
    assert said.splits == {"test": 3}


def test_what_a_holdout_is_is_said(listed):
    data = listed("image,labels,split\n0.jpg,sea,train\n1.jpg,sea,holdout\n2.jpg,sand,eval\n")
    assert "its eval is the split val; its holdout is the split test" in data.reason


NUMBERS = "id,attribute_ids\n0,3 7\n1,5\n2,7\n"


def test_numbers_get_their_names_from_a_table_beside_or_a_file(listed, labels_of, tmp_path):
    read = {"delimiter": " "}
    assert listed(NUMBERS, **read).names == ("3", "5", "7")
    (tmp_path / "names.txt").write_text("a\nb\nc\nboat\nd\nsand\ne\nsea\n")
    assert labels_of(listed(NUMBERS, **read, label_names=tmp_path / "names.txt")) == MEANT
    (tmp_path / "names.txt").write_text("3 boat\n5 sand\n7 sea\n")
    assert labels_of(listed(NUMBERS, **read, label_names=tmp_path / "names.txt")) == MEANT
    (tmp_path / "labels.csv").write_text("attribute_id,attribute_name\n3,boat\n5,sand\n7,sea\n")
    data = listed(NUMBERS, **read)
    assert labels_of(data) == MEANT
    assert "their names are from labels.csv" in data.reason
    assert labels_of(load_dataset(tmp_path, **read)) == MEANT


def test_numbers_without_a_name_and_names_for_words_are_refused(listed, tmp_path):
    (tmp_path / "names.txt").write_text("boat\nsand\nsea\n")
    with pytest.raises(InputError, match="numbers 0 to 2; 3 has none; write the number before"):
        listed(NUMBERS, delimiter=" ", label_names=tmp_path / "names.txt")
    with pytest.raises(InputError, match="'sea' is none; leave out label_names="):
        listed("image,labels\n0.jpg,sea\n", label_names=tmp_path / "names.txt")


def test_excel_is_read_as_a_csv_is(tmp_path, listed, labels_of):
    openpyxl = pytest.importorskip("openpyxl")
    listed("image,labels\n0.jpg,x\n")
    book = openpyxl.Workbook()
    book.active.append(["notes"])
    sheet = book.create_sheet("photos")
    for row in (["filename", "boat", "sand", "sea"], ["0.jpg", 1, 0, 1.0], [], ["1.jpg", 0, True]):
        sheet.append(row)
    book.save(tmp_path / "photos.xlsx")
    data = load_dataset(tmp_path / "photos.xlsx")
    assert labels_of(data) == MEANT[:2]
    assert "'photos'" in data.reason
    sheet = book.create_sheet("more")
    sheet.append(["filename", "tags"])
    sheet.append(["2.jpg", "sea"])
    book.save(tmp_path / "photos.xlsx")
    with pytest.raises(InputError, match=r"several sheets .photos, more.; name one .sheet=NAME"):
        load_dataset(tmp_path / "photos.xlsx")
    assert load_dataset(tmp_path / "photos.xlsx", sheet="more").names == ("sea",)
    with pytest.raises(InputError, match="did you mean 'more'"):
        load_dataset(tmp_path / "photos.xlsx", sheet="mor")
    with pytest.raises(InputError, match="has no sheets; leave out sheet="):
        load_dataset(tmp_path / "photos.csv", sheet="more")


def test_a_damaged_excel_file_is_refused(tmp_path):
    pytest.importorskip("openpyxl")
    (tmp_path / "photos.xlsx").write_bytes(b"no zip")
    with pytest.raises(InputError, match="cannot be read as an Excel file"):
        load_dataset(tmp_path / "photos.xlsx")


def test_several_columns_named_for_labels_are_joined_or_one_for_each(listed, labels_of):
    text = "image,thing,ground,n\n0.jpg,boat,sea,1\n1.jpg,,sand,1\n2.jpg,,sea,0\n"
    assert labels_of(listed(text, label_columns=["thing", "ground"])) == MEANT
    data = listed(text, label_columns=["n"])
    assert data.names == ("n",)
    np.testing.assert_array_equal(data.targets, [[1], [1], [0]])


TITLES = {
    "a title": "Photos of Corsica\n",
    "a title with a comma": "Photos, tags and more\n",
    "a title with commas to the width": "Photos of Corsica,\n2024,\n",
    "empty lines": "\n\nPhotos\n\n",
    "comments": "# Photos, made by me; 2024\n# and\tmore\n",
    "other comments": "% Photos\n// more, and more\n",
}
HEADERS = {
    "known": "image,labels\n0.jpg,boat|sea\n1.jpg,sand\n2.jpg,sea\n",
    "of a person": "Datei,Motive\n0.jpg,boat|sea\n1.jpg,sand\n2.jpg,sea\n",
    "a label each": "Datei,boat,sand,sea\n0.jpg,1,0,1\n1.jpg,0,1,0\n2.jpg,0,0,1\n",
    "none": "0.jpg,boat|sea\n1.jpg,sand\n2.jpg,sea\n",
}


@pytest.mark.parametrize("semicolon", [False, True], ids=["comma", "semicolon"])
@pytest.mark.parametrize("table", HEADERS)
@pytest.mark.parametrize("title", TITLES)
def test_lines_above_the_header_are_left_out_and_said(listed, labels_of, title, table, semicolon):
    if (table, title) in UNCLEAR:
        pytest.skip("nothing tells a title from a header")
    text = HEADERS[table].replace(",", ";") if semicolon else HEADERS[table]
    options = {"label_columns": "Motive"} if table == "of a person" else {}
    data = listed(TITLES[title] + text, **options)
    assert labels_of(data) == [*LABELS]
    assert re.search(r"left out: \d lines? (of comments|above the)", data.reason)


UNCLEAR = {
    (table, title)
    for table in ("of a person", "a label each", "none")
    for title in ("a title with a comma", "a title with commas to the width")
}


def test_more_lines_above_the_header_than_a_title_has_are_refused_with_what_was_taken(listed):
    with pytest.raises(
        InputError, match=r"line 6: .* remove what is above the header; 'x' was taken"
    ):
        listed("x\n" * 5 + HEADERS["known"])


def test_an_image_called_like_a_comment_is_an_image(listed, labels_of):
    names = ("#0.jpg", "#1.jpg", "#2.jpg")
    data = listed("#0.jpg,boat|sea\n#1.jpg,sand\n#2.jpg,sea\n", images=names)
    assert labels_of(data) == [*LABELS]


TOTALS = ("total", "TOTAL 123", "Summe:", "Grand total", "Total images: 3", "合計")


@pytest.mark.parametrize("total", TOTALS)
def test_a_row_of_totals_is_no_image_and_is_said(listed, labels_of, total):
    rows = ["image,boat,sand,sea", "0.jpg,1,0,1", "1.jpg,0,1,0", "2.jpg,0,0,1", f"{total},1,1,2"]
    data = listed("\n".join(rows))
    assert labels_of(data) == MEANT
    assert f"left out: 1 row about no image ({total})" in data.reason


def test_totals_and_comments_are_found_beside_a_column_of_numbers(listed, labels_of):
    text = "no,image,labels\n# Monday,,\n1,0.jpg,boat;sea\n2,1.jpg,sand\n3,2.jpg,sea\nSum,,4\n"
    data = listed(text)
    assert labels_of(data) == MEANT
    assert "left out: 2 rows about no image (Sum, # Monday)" in data.reason


@pytest.mark.parametrize("ids", [("0.jpg", "1.jpg", "2.jpg"), ("0", "1", "2")])
def test_a_label_called_as_a_total_is_one_in_whatever_column_it_stands(listed, ids):
    a, b, c = ids
    data = listed(f"labels,image\ncount,{a}\nmedia;sea,{b}\nsum,{c}\ncount,{c}\n")
    assert data.names == ("count", "media", "sea", "sum")
    assert [record.labels for record in data.records] == [
        ("count",),
        ("media", "sea"),
        ("sum", "count"),
    ]


def test_an_image_or_a_label_called_total_is_one(listed, labels_of):
    data = listed(
        "id,labels\ntotal,boat;sea\n1,sand\n2,sea\n", images=("total.jpg", "1.jpg", "2.jpg")
    )
    assert labels_of(data) == MEANT
    assert "total" in listed("image,labels\n0.jpg,total\n1.jpg,sand\n2.jpg,sea\n").names
