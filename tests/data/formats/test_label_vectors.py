"""Lists with numbers for labels: names are found or asked for, never made up."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from photos import photo

ROWS = {"1": "0 1 1", "2": "1 0 1"}
FORMS = {
    "hashnet": ("train.txt", "./images/{name}.jpg {values}"),
    "paddle": ("train_list.txt", "images/{name}.jpg\t{commas}"),
    "windows": ("list.txt", "images\\{name}.jpg,{commas}"),
    "json": ("list.txt", "images/{name}.jpg [{commas}]"),
    "mxnet": ("train.lst", "{name}\t{tabs}\timages/{name}.jpg"),
    "im2rec": ("train.lst", "{name}\t{floats}\timages/{name}.jpg"),
}


def write(folder, form, rows=ROWS):
    """Write a list in one of the forms, and its images."""
    file, line = FORMS[form]
    for name in rows:
        photo(folder / "images" / f"{name}.jpg")
    lines = [
        line.format(
            name=name,
            values=values,
            commas=values.replace(" ", ","),
            tabs=values.replace(" ", "\t"),
            floats="\t".join(f"{float(value):f}" for value in values.split()),
        )
        for name, values in rows.items()
    ]
    (folder / file).write_text("\n".join(lines) + "\n")
    return folder / file


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", ["sea\nsun\nred tree\n", "0 sea\n1 sun\n2 red tree\n"])
def test_a_vector_has_the_names_beside_it_in_their_order(tmp_path, form, names):
    listed = write(tmp_path, form)
    (tmp_path / "label_list.txt").write_text(names)
    data = load_dataset(listed)
    assert (data.reader, data.names) == ("label_vectors", ("sea", "sun", "red tree"))
    assert data.targets.tolist() == [[0, 1, 1], [1, 0, 1]]
    assert "names are from label_list.txt" in data.reason
    assert all(path.is_file() for path in data.paths)


@pytest.mark.parametrize("form", FORMS)
def test_without_names_they_are_asked_for_and_either_answer_works(tmp_path, form):
    listed = write(tmp_path, form)
    with pytest.raises(InputError, match=r"3 values .* \(label_names=FILE\) or call it labels.txt"):
        load_dataset(listed)
    names = tmp_path / "my names.md"
    names.write_text("sea\nsun\ntree\n")
    assert load_dataset(listed, label_names=names).names == ("sea", "sun", "tree")
    assert load_dataset(listed, label_names=["a", "b", "c"]).names == ("a", "b", "c")
    names.rename(tmp_path / "labels.txt")
    assert load_dataset(listed).names == ("sea", "sun", "tree")


@pytest.mark.parametrize("rows", [{"1": "2 0", "2": "1"}, {"1": "2", "2": "0"}])
def test_other_numbers_are_indices_of_the_names(tmp_path, rows):
    listed = write(tmp_path, "hashnet", rows)
    (tmp_path / "classes.txt").write_text("sea\nsun\ntree\n")
    data = load_dataset(listed)
    assert set(data.records[0].labels) == {
        ("sea", "sun", "tree")[int(n)] for n in rows["1"].split()
    }
    assert "labels are given by index" in data.reason


def test_one_value_is_a_label_or_an_index_as_the_names_tell(tmp_path):
    listed = write(tmp_path, "hashnet", {"1": "0", "2": "1"})
    (tmp_path / "labels.txt").write_text("sea\n")
    assert load_dataset(listed).targets.tolist() == [[0], [1]]
    (tmp_path / "labels.txt").write_text("land\nsea\n")
    assert load_dataset(listed).targets.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("rows", "minus_one", "targets"),
    [
        ({"1": "1 -1", "2": "-1 1"}, None, [[1, 0], [0, 1]]),
        ({"1": "1 -1", "2": "-1 1"}, "unknown", [[1, -1], [-1, 1]]),
        ({"1": "1 -1", "2": "0 1"}, None, [[1, -1], [0, 1]]),
        ({"1": "1 -1", "2": "0 1"}, "absent", [[1, 0], [0, 1]]),
    ],
)
def test_minus_one_is_unknown_beside_zero_and_else_absent(tmp_path, rows, minus_one, targets):
    listed = write(tmp_path, "hashnet", rows)
    (tmp_path / "labels.txt").write_text("sea\nsun\n")
    data = load_dataset(listed, minus_one=minus_one)
    assert data.targets.tolist() == targets
    assert "; -1 is" in data.reason


def test_scores_need_a_threshold(tmp_path):
    listed = write(tmp_path, "hashnet", {"1": "0.9 0.2", "2": "0 1"})
    (tmp_path / "labels.txt").write_text("sea\nsun\n")
    with pytest.raises(InputError, match=r"line 1: 0\.9 is neither .*\(present_above=0\.5\)"):
        load_dataset(listed)
    assert load_dataset(listed, present_above=0.5).targets.tolist() == [[1, 0], [0, 1]]
    assert load_dataset(listed, present_above=0).targets.tolist() == [[1, 1], [0, 1]]


def test_boxes_are_no_scores(tmp_path):
    listed = write(tmp_path, "mxnet", {"1": "2 5 0.0 0.1 0.1 0.9"})
    with pytest.raises(InputError, match=r"line 1: 0\.1 is neither .* if these are boxes"):
        load_dataset(listed)


def test_the_lists_of_a_folder_are_the_splits_and_others_are_left_out(tmp_path):
    listed = write(tmp_path, "hashnet")
    (tmp_path / "test.txt").write_text("images/3.jpg 1 0 0\n")
    (tmp_path / "database.txt").write_text(listed.read_text())
    (tmp_path / "label_names.txt").write_text("sea\nsun\ntree\n")
    data = load_dataset(tmp_path)
    assert data.splits == {"train": 2, "test": 1}
    assert "left out: database.txt, which says not whether" in data.reason


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (ROWS, "sea\nsun\n", "has 3 values for each image, but .*labels.txt 2 names"),
        (ROWS, "sea\nsea\nsun\n", "'sea' is there twice"),
        (ROWS, "\n", "labels.txt: needs one name of a label in each line"),
        ({"1": "0 3", "2": "1"}, "sea\nsun\n", "line 1: 3 is not a number from 0 to 1"),
        ({"1": "2 2", "2": "1"}, "sea\nsun\ntree\n", "line 1: has a label twice"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path, rows, names, message):
    listed = write(tmp_path, "hashnet", rows)
    (tmp_path / "labels.txt").write_text(names)
    with pytest.raises(InputError, match=message):
        load_dataset(listed)


def test_a_line_that_is_no_image_with_numbers_is_refused(tmp_path):
    listed = write(tmp_path, "hashnet", {str(number): "0 1" for number in range(25)})
    listed.write_text(listed.read_text() + "images/1.jpg sea\n")
    with pytest.raises(InputError, match=r"line 26: expected an image and numbers; got 'images/1"):
        load_dataset(listed)
