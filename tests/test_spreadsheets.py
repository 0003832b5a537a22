"""No CSV that is written can start a formula, and every name comes back as it was."""

import csv
import unicodedata

import pytest
from PIL import Image

from colour_tagger import ColourTagger
from imlgcn.auditing.answers import correct
from imlgcn.data.dataset import Dataset, Record, Source, load_dataset
from imlgcn.data.label_table_file import read_label_table, write_label_table
from imlgcn.data.written_split import write_split_csv
from imlgcn.labels.label_table import LabelTable
from imlgcn.prediction import predict
from imlgcn.prediction.tables import listed_images
from imlgcn.spreadsheets import bare, inert

NAMES = [
    *(
        "=1+1",
        "+1 m",
        "-rope",
        "@home",
        "＝x",
        "'=x",
        "''=x",
        "'quoted'",
        'a "b" c',
        "x, y",
        "x; y",
    ),
    *("a\nb", "tab\tin", "=cmd|' /C calc'!A0", "naïve", "x|y", "?", "line\u2028end", "-", "'"),
]
STARTS = tuple("=+-@＝＋－＠\t\r\n")


def is_formula(cell):
    return cell.startswith(STARTS) and not cell.lstrip("+-").replace(".", "").isdigit()


def cells_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [cell for row in csv.reader(file) for cell in row]


@pytest.mark.parametrize("name", [*NAMES, "\t=x", "\r=x", "'\t=x", "-0.5", "", "'-1"])
def test_a_cell_comes_back_as_it_was_and_is_no_formula(name):
    assert bare(inert(name)) == name
    assert not is_formula(inert(name))


@pytest.fixture
def dataset(tmp_path):
    """Each name is a label of one image, and all but those with a slash the image's name."""
    records = []
    for number, name in enumerate(NAMES):
        path = tmp_path / f"{name.replace('|', ' ').replace('/', ' ')} {number}.png"
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
        records.append(Record(path.name, path, (name,), split="train"))
    return Dataset.from_source(Source(NAMES, records, "csv", "made"))


def as_read(dataset):
    return {record.path.name: set(record.labels) for record in dataset.records}


@pytest.mark.parametrize("count", [len(NAMES), 4])  # 4: all labels go into one column
def test_a_split_keeps_every_name(dataset, tmp_path, count):
    part = dataset.select(range(count))
    if count == 4:
        part = Dataset.from_source(Source(NAMES[:4], part.records, "csv", "made"))
    write_split_csv(part, ["train"] * count, tmp_path / "split.csv")
    assert not any(map(is_formula, cells_of(tmp_path / "split.csv")))
    assert as_read(load_dataset(tmp_path / "split.csv")) == as_read(part)


def test_a_label_table_keeps_every_name(tmp_path):
    labels = [name for name in NAMES if name not in ("?",)]
    write_label_table(tmp_path / "table.csv", LabelTable.of(labels))
    assert not any(map(is_formula, cells_of(tmp_path / "table.csv")))
    assert read_label_table(tmp_path / "table.csv", labels) == LabelTable.of(labels)


def test_tags_of_images_called_as_formulas_are_none(dataset, tmp_path):
    out = tmp_path / "tags.csv"
    paths = [record.path.relative_to(tmp_path) for record in dataset.records]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        predict(ColourTagger(), paths, out=out)
        assert not any(map(is_formula, cells_of(out)))
        assert [*map(str, paths)] == [
            path.removeprefix(f"{tmp_path}/") for path in listed_images(out)
        ]
        predict(ColourTagger(), paths, out=out, overwrite=True, bare=True)
        assert any(map(is_formula, cells_of(out)))


def test_answers_find_images_and_labels_called_as_formulas(dataset, tmp_path):
    part = dataset.select(range(4))
    part = Dataset.from_source(Source(NAMES[:4], part.records, "csv", "made"))
    write_split_csv(part, ["train"] * 4, tmp_path / "data.csv")
    rows = [("image", "label", "answer"), (part.records[0].name, "+1 m", "yes")]
    with (tmp_path / "answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([map(inert, row) for row in rows])
    assert correct(tmp_path / "data.csv", tmp_path / "answers.csv", tmp_path / "new.csv") == 1
    assert not any(map(is_formula, cells_of(tmp_path / "new.csv")))
    found = as_read(load_dataset(tmp_path / "new.csv"))
    assert found[part.records[0].path.name] == {"=1+1", "+1 m"}


def test_two_spellings_of_an_accent_are_one_label_and_the_reason_says_so(tmp_path):
    composed, apart = "café", unicodedata.normalize("NFD", "café")
    for name in "abc":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    table = f"image,labels\na.png,{composed}\nb.png,{apart};sea\nc.png,{composed};{apart}\n"
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    data = load_dataset(tmp_path / "t.csv")
    assert sorted(data.names) == [composed, "sea"]
    assert [record.labels for record in data.records] == [
        (composed,),
        (composed, "sea"),
        (composed,),
    ]
    assert "1 label joined with another that differs only in Unicode form" in data.reason
    (tmp_path / "t.csv").write_text(f"image,labels\na.png,{apart}\nb.png,sea\n", encoding="utf-8")
    data = load_dataset(tmp_path / "t.csv")
    assert composed in data.names
    assert "joined" not in data.reason
