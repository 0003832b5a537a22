"""Text as Windows' programs write it is read and said aloud, by every reader of text."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.data.formats.text_files import read_text, windows_text
from imlgcn.errors import InputError
from tool_samples import put_images

# what is read, its files, and the one with an umlaut
LISTS = {
    "a .txt for each image": (".", {"a.txt": "Bäume;sea", "b.txt": "sea"}, "a.txt"),
    "names of classes": (
        "t.csv",
        {"t.csv": "image,labels\na.jpg,0;1\nb.jpg,1\n", "classes.txt": "Bäume\nsea\n"},
        "classes.txt",
    ),
    "a table": ("t.csv", {"t.csv": "image,Bäume,sea\na.jpg,1,1\nb.jpg,0,1\n"}, "t.csv"),
    "tables of splits": (
        ".",
        {"train.csv": "image,labels\na.jpg,Bäume;sea\n", "val.csv": "image,labels\nb.jpg,sea\n"},
        "train.csv",
    ),
    "a list with 0 and 1": (
        "list.txt",
        {"list.txt": "a.jpg 1 1\nb.jpg 0 1\n", "labels.txt": "Bäume\nsea\n"},
        "labels.txt",
    ),
    "lines of SALGL": ("train.txt", {"train.txt": "a.jpg\tBäume,sea\nb.jpg\tsea\n"}, "train.txt"),
    "JSON": ("t.json", {"t.json": '{"a.jpg": ["Bäume", "sea"], "b.jpg": ["sea"]}'}, "t.json"),
    "COCO": (
        "t.json",
        {
            "t.json": '{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}'
            '], "annotations": [{"image_id": 1, "category_id": 1}, {"image_id": 1, "category_id": 2'
            '}, {"image_id": 2, "category_id": 2}], "categories": [{"id": 1, "name": "Bäume"}, '
            '{"id": 2, "name": "sea"}]}'
        },
        "t.json",
    ),
}


@pytest.mark.parametrize(("source", "files", "accented"), LISTS.values(), ids=LISTS)
def test_every_list_in_cp1252_is_read_and_said_aloud(tmp_path, source, files, accented):
    put_images(tmp_path, "a.jpg", "b.jpg")
    for encoding in ("utf-8", "cp1252"):
        for name, text in files.items():
            (tmp_path / name).write_bytes(text.encode(encoding))
        data = load_dataset(tmp_path / source)
        assert {record.path.name: set(record.labels) for record in data.records} == {
            "a.jpg": {"Bäume", "sea"},
            "b.jpg": {"sea"},
        }
        said = f"read as Windows text (cp1252), as not UTF-8: {accented}"
        assert (said in data.reason) == (encoding == "cp1252")


@pytest.mark.parametrize("encoding", ["cp1251", "gbk", "euc-jp"])
def test_text_of_another_script_is_not_taken_for_a_western_language(tmp_path, encoding):
    put_images(tmp_path, "a.jpg", "b.jpg")
    word = {"cp1251": "дерево", "gbk": "树木森林", "euc-jp": "木々の森"}[encoding]
    (tmp_path / "a.txt").write_bytes(f"{word};sea".encode(encoding))
    (tmp_path / "b.txt").write_text("sea")
    with pytest.raises(InputError, match=r"a\.txt: is not UTF-8 text .*; save it as UTF-8"):
        load_dataset(tmp_path)


def test_where_nobody_can_be_told_cp1252_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes("Bäume".encode("cp1252"))
    with windows_text() as files:
        assert read_text(tmp_path / "a.txt") == "Bäume"
    assert files == ["a.txt"]
    with pytest.raises(InputError, match="not UTF-8"):
        read_text(tmp_path / "a.txt")
