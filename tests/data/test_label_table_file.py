"""The file of a label table: as spreadsheets write it; all that is wrong is named, with lines."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.data.label_table_file import check_label_table, read_label_table, write_label_table
from imlgcn.errors import InputError
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable

LABELS = ("animal", "cat", "dog", "sea, open", "a;b|c", "Café")


@pytest.fixture
def written(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_what_is_written_is_read_again(tmp_path):
    rows = (
        LabelRow("animal", name='the "animal", all\nof them'),
        LabelRow("cat", False, parents=("animal", "sea, open"), threshold=0.1 + 0.2),
        LabelRow("dog", parents=("a;b|c", "animal")),
        LabelRow("sea, open", exclusive="where"),
        LabelRow("a;b|c", threshold=0.0),
        LabelRow("Café", name="=1+1"),
    )
    write_label_table(tmp_path / "table.csv", LabelTable(rows))
    assert read_label_table(tmp_path / "table.csv", LABELS).rows == rows


@pytest.mark.parametrize("seed", range(15))
def test_any_table_of_plain_labels_survives_the_file(tmp_path, seed):
    generator = np.random.default_rng(seed)
    names = [f"l {i}" for i in range(12)]
    rows = tuple(
        LabelRow(
            name,
            bool(generator.integers(2)),
            ("", "Näme; with, all", "x")[generator.integers(3)],
            tuple(names[j] for j in generator.permutation(i)[: generator.integers(4)]),
            (None, float(generator.random()))[generator.integers(2)],
        )
        for i, name in enumerate(names)
    )
    write_label_table(tmp_path / "t.csv", LabelTable(rows))
    assert read_label_table(tmp_path / "t.csv", names).rows == rows


@pytest.mark.parametrize(
    "text",
    [
        "label,show,name,parents,threshold\ncat,no,Katze,animal,0.5\n",
        "\ufefflabel;show;name;parents;threshold\r\ncat;nein;Katze;animal;0,5\r\n;;;;\r\n",
        "sep=;\r\nLabel;Show;Name;Parents;Threshold;;\r\ncat;FALSCH;Katze;animal;50%;;\r\n",
        "label\tshow\tname\tparents\tthreshold\ncat\t0\tKatze\tanimal\t50 %\n",
        "name,threshold,label,show,parents\nKatze,.5, cat ,No,animal;\n",
        'label,show,name,parents,threshold\r\n"cat",false,Katze,"animal","5e-1"\r\n,,,,\r\n',
    ],
)
def test_a_spreadsheet_may_write_it_in_any_usual_way(written, text):
    table = read_label_table(written(text), LABELS)
    assert table == LabelTable.of(LABELS, [LabelRow("cat", False, "Katze", ("animal",), 0.5)])


def test_a_label_and_a_cell_that_are_left_out_have_the_defaults(written):
    assert read_label_table(written("label\ndog\n"), LABELS).is_default


@pytest.mark.parametrize("yes", ["yes", "YES", "x", "1", "true", "WAHR", "ja", "oui", ""])
def test_an_answer_may_be_given_in_several_words(written, yes):
    table = read_label_table(written(f"label,show\ncat,{yes}\ndog,no\n"), LABELS)
    assert [row.show for row in table.rows[1:3]] == [True, False]


def test_where_labels_are_ticked_the_others_are_hidden(written):
    table = read_label_table(written("label,show\ncat,x\ndog,\n"), LABELS)
    assert [row.show for row in table.rows[:3]] == [True, True, False]


def test_parents_may_be_separated_by_any_sign_that_separates_labels(written):
    for cell in ("animal;dog", "animal|dog", '"animal, dog"', "animal; dog;"):
        table = read_label_table(written(f"label,parents\ncat,{cell}\n"), LABELS)
        assert table.rows[1].parents == ("animal", "dog"), cell
    for whole in ("sea, open", "a;b|c"):
        table = read_label_table(written(f'label,parents\ncat,"{whole}"\n'), LABELS)
        assert table.rows[1].parents == (whole,)


def test_an_accent_may_be_composed_another_way(written):
    table = read_label_table(written("label,name\nCafe\u0301,coffee\n"), LABELS)
    assert table.name_of("Café") == "coffee"


def test_all_that_is_wrong_is_named_at_once_with_lines(written):
    path = written(
        "label,show,parents,threshold\n"
        "dgo,,,\n"
        "cat,perhaps,anmal,0.5\n"
        "\n"
        "dog,,cat,high\n"
        "cat,,,\n"
        "animal,,dog,2\n"
        ",no,,\n"
    )
    table, problems = check_label_table(path, LABELS)
    assert table is None
    assert problems == (
        "line 2: unknown label 'dgo'; did you mean 'dog'?",
        "line 3: show is yes or no, not 'perhaps' (label 'cat')",
        "line 3: the parent 'anmal' of 'cat' is not a label; did you mean 'animal'?",
        "line 5: threshold is a number from 0 to 1, not 'high' (label 'dog')",
        "line 6: the label 'cat' has a row in line 3 already",
        "line 7: the threshold of 'animal' must be from 0 to 1; got 2",
        "line 8: no label",
    )
    with pytest.raises(InputError, match=r"table\.csv: 7 problems: line 2: .*; line 8: no label"):
        read_label_table(path, LABELS)


def test_a_cycle_is_named_in_full_with_the_line_of_its_first_label(written):
    path = written("label,parents\ncat,dog\ndog,animal\nanimal,cat\n")
    with pytest.raises(InputError, match=r"line 4: .*: animal > cat > dog > animal; remove"):
        read_label_table(path, LABELS)


def test_a_set_with_a_parent_and_its_child_is_refused(written):
    path = written("label,parents,exclusive\ncat,animal,pet\nanimal,,pet\n")
    with pytest.raises(
        InputError, match="line 2: the exclusive set 'pet' holds 'animal' and 'cat'"
    ):
        read_label_table(path, LABELS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("label\n", "no row"),
        ("tag,show\ncat,no\n", "no column 'label'; it has tag, show"),
        ("label,treshold\ncat,0.5\n", "'treshold'; did you mean 'threshold'?"),
        ("label,comment\ncat,0.5\n", "columns of a label table are label, show, name, parents,"),
        ("label,show,show\ncat,1,1\n", "two columns"),
        ("label,show\ncat,no,more\n", "line 2: has 3 cells"),
        ("label,name\nCafé,x\n".encode("cp1252"), "is not UTF-8"),
        (b"label,name\n\x00\xff", "is not UTF-8"),
        ('label,name\n"cat,x\ndog,y\n', "never closed"),
        ('"labs\n\nr#""show,name,parents\nsea,yes,s,"\ns', "no row below|no column 'label'"),
    ],
)
def test_what_is_no_label_table_is_refused_with_what_to_do(written, text, words):
    with pytest.raises(InputError, match=words):
        read_label_table(written(text), LABELS)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no file .*none\.csv; label_table= takes a CSV"):
        read_label_table(tmp_path / "none.csv", LABELS)
