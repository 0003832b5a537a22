"""One column per label: what a cell means, and what is asked before it could mean another thing."""

import numpy as np
import pytest

from imlgcn.errors import InputError

CELEBA = "image_id,Young,Male\n0.jpg,1,-1\n1.jpg,-1,1\n2.jpg,1,1\n"
COUNTS = "image,sea,sand\n0.jpg,1,0\n1.jpg,0,2\n2.jpg,3,1\n"
SHARES = "image,sea,sand\n0.jpg,0.9,0.1\n1.jpg,0.2,0.6\n2.jpg,0.7,0.5\n"


@pytest.mark.parametrize("cell", ["NaN", "nan", "NA", "null", "None", "?", "-1", "-1.0"])
def test_what_nobody_knows_is_unknown(listed, cell):
    data = listed(f"image,sea,sand\n0.jpg,{cell},0\n1.jpg,0,1\n2.jpg,1,0\n")
    assert data.names == ("sea", "sand")
    np.testing.assert_array_equal(data.targets, [[-1, 0], [0, 1], [1, 0]])


@pytest.mark.parametrize("image", ["image", "image_id"])
def test_a_table_of_1_and_minus_1_asks_what_minus_1_means(listed, image):
    text = CELEBA.replace("image_id", image)
    with pytest.raises(InputError, match=r"never 0; .*minus_one=absent.*minus_one=unknown"):
        listed(text)
    np.testing.assert_array_equal(
        listed(text, minus_one="absent").targets, [[1, 0], [0, 1], [1, 1]]
    )
    data = listed(text, minus_one="unknown")
    np.testing.assert_array_equal(data.targets, [[1, -1], [-1, 1], [1, 1]])
    assert "-1 is unknown" in data.reason
    with pytest.raises(InputError, match="unknown meaning of -1 'maybe'"):
        listed(text, minus_one="maybe")


def test_beside_0_minus_1_is_unknown_and_the_user_may_say_otherwise(listed):
    text = "image,sea,sand\n0.jpg,1,-1\n1.jpg,0,1\n2.jpg,,1\n"
    data = listed(text)
    np.testing.assert_array_equal(data.targets, [[1, -1], [0, 1], [0, 1]])
    assert "-1 is unknown; an empty cell is absent" in data.reason
    np.testing.assert_array_equal(
        listed(text, minus_one="absent").targets, [[1, 0], [0, 1], [0, 1]]
    )


def test_where_minus_1_is_absent_and_0_never_said_an_empty_cell_is_unknown(listed):
    data = listed("image,a,b\n0.jpg,1,-1\n1.jpg,,1\n2.jpg,-1,1\n", minus_one="absent")
    np.testing.assert_array_equal(data.targets, [[1, 0], [-1, 1], [0, 1]])
    assert "an empty cell is unknown" in data.reason


@pytest.mark.parametrize(
    ("text", "hint", "present"),
    [
        (COUNTS, 0, [[1, 0], [0, 1], [1, 1]]),
        (COUNTS, 1, [[0, 0], [0, 1], [1, 0]]),
        (SHARES, 0.5, [[1, 0], [0, 1], [1, 0]]),
        (SHARES.replace("0.9,0.1", "1,0"), 0.5, [[1, 0], [0, 1], [1, 0]]),
        ("image,sea,sand\n0.jpg,1,0.4\n1.jpg,0,0.6\n2.jpg,1,0.5\n", 0.5, [[1, 0], [0, 1], [1, 0]]),
        (
            "image,sea,target\n0.jpg,1,0.4\n1.jpg,0,0.6\n2.jpg,1,0.5\n",
            0.5,
            [[1, 0], [0, 1], [1, 0]],
        ),
        ("image,sea,sand\n0.jpg,5,0\n1.jpg,0,2\n2.jpg,3,7\n", 0, [[1, 0], [0, 1], [1, 1]]),
    ],
)
def test_counts_and_shares_ask_for_a_bound_and_heed_it(listed, text, hint, present):
    with pytest.raises(InputError, match=rf"present_above={hint if hint != 1 else 0}\b"):
        listed(text)
    data = listed(text, present_above=hint)
    np.testing.assert_array_equal(data.targets, present)
    assert f"present is what is above {hint}" in data.reason


def test_names_of_columns_that_end_in_a_number_keep_it(listed):
    data = listed("image,grade 0,grade 1\n0.jpg,3,0\n1.jpg,0,2\n2.jpg,5,4\n", present_above=0)
    assert data.names == ("grade 0", "grade 1")


def test_measures_are_no_counts_and_minus_1_is_no_count(listed):
    text = "image,age,width,sea\n0.jpg,30,4,2\n1.jpg,8,4,0\n2.jpg,9,4,-1\n"
    data = listed(text, present_above=0)
    assert data.names == ("sea",)
    np.testing.assert_array_equal(data.targets, [[1], [0], [-1]])


@pytest.mark.parametrize("name", ["sex", "Gender", "is_train", "fold", "reviewed", "Unnamed: 0"])
@pytest.mark.parametrize("image", ["image", "file"])
def test_columns_of_properties_are_left_aside_and_said(listed, name, image):
    text = f"{image},{name},sea,sand\n0.jpg,0,1,0\n1.jpg,1,0,1\n2.jpg,1,1,1\n"
    data = listed(text)
    assert data.names == ("sea", "sand")
    assert f"left aside: {name}" in data.reason
    assert listed(text, label_columns=[name, "sea"]).names == (name, "sea")


def test_the_reason_lists_the_columns_that_were_taken(listed):
    data = listed("image,sea,sand\n0.jpg,1,0\n1.jpg,0,1\n")
    assert "labels are 2 columns (sea, sand)" in data.reason


@pytest.mark.parametrize("folder", ["CheXpert-v1.0-small", "chexpert"])
def test_chexpert_is_read_wherever_its_folder_is(listed, tmp_path, folder):
    (tmp_path / folder / "train/p2").mkdir(parents=True)
    (tmp_path / folder / "train/p2/view1.jpg").touch()
    text = (
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Lung Opacity\n"
        "CheXpert-v1.0-small/train/p1/view1.jpg,Female,68,Frontal,AP,1.0,,0.0\n"
        "CheXpert-v1.0-small/train/p2/view1.jpg,Male,1,Lateral,,,-1.0,1.0\n"
    )
    where = f"{folder}/train/p1"
    data = listed(text, name=f"{folder}/train.csv", where=where, images=["view1.jpg"])
    assert data.names == ("No Finding", "Edema", "Lung Opacity")
    np.testing.assert_array_equal(data.targets, [[1, 0, 0], [0, -1, 1]])
    assert [path.parent.name for path in data.paths if path.is_file()] == ["p1", "p2"]


ANSWERS = [("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("VERO", "FALSO"), ("VERDADERO", "FALSO")]
ANSWERS += [("J", "N"), ("はい", "いいえ"), ("○", "×"), ("○", ""), ("ja", "nein"), ("x", "")]


@pytest.mark.parametrize(("yes", "no"), ANSWERS)
@pytest.mark.parametrize("label_columns", [(), ("sea", "sand")])
def test_a_yes_or_no_in_any_language_is_1_or_0(listed, yes, no, label_columns):
    text = "image,sea,sand\n0.jpg,1,0\n1.jpg,0,1\n2.jpg,1,1\n"
    words = text.replace(",1", f",{yes}").replace(",0", f",{no}")
    data = listed(words, label_columns=label_columns)
    assert data.names == ("sea", "sand")
    np.testing.assert_array_equal(data.targets, [[1, 0], [0, 1], [1, 1]])


def test_a_column_without_any_mark_is_a_label_beside_columns_of_marks(listed):
    data = listed("image,sea,sand,sun\n0.jpg,x,,\n1.jpg,,,x\n2.jpg,x,,x\n")
    assert data.names == ("sea", "sand", "sun")
    assert data.targets[:, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["Rating", "Summe", "total", "favorite", "edited", "pick"])
@pytest.mark.parametrize("yes", ["1", "x"])
@pytest.mark.parametrize("options", [{}, {"present_above": 0}])
def test_columns_about_a_photo_are_not_labels(listed, name, yes, options):
    rows = f"image,sea,sand,{name}\n0.jpg,{yes},,1\n1.jpg,,{yes},0\n2.jpg,{yes},{yes},1\n"
    data = listed(rows, **options)
    assert data.names == ("sea", "sand")
    np.testing.assert_array_equal(data.targets, [[1, 0], [0, 1], [1, 1]])


def test_the_keywords_of_exiftool_are_labels_and_its_rating_is_not(listed, labels_of):
    text = 'SourceFile,Subject,Rating\n0.jpg,"sea, boat",5\n1.jpg,sand,4\n2.jpg,sea,3\n'
    assert labels_of(listed(text)) == [("boat", "sea"), ("sand",), ("sea",)]
