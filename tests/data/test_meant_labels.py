"""A name that says "no label", and names with a score behind them."""

import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError


@pytest.fixture
def table(tmp_path):
    def write(*cells, header="image,labels"):
        rows = [f"{row}.png,{cell}" for row, cell in enumerate(cells)]
        for row in range(len(cells)):
            Image.new("RGB", (8, 8)).save(tmp_path / f"{row}.png")
        (tmp_path / "data.csv").write_text("\n".join([header, *rows]))
        return tmp_path / "data.csv"

    return write


def test_a_name_that_means_no_label_leaves_the_image_without(table):
    path = table("none", "sea;sun", "sun;?none")
    data = load_dataset(path, no_label="none")
    assert data.names == ("sea", "sun")
    assert data.targets.tolist() == [[0, 0], [1, 1], [0, 1]]
    with pytest.raises(InputError, match="did you mean 'none'"):
        load_dataset(path, no_label=["nome"])


def test_a_column_that_means_no_label_is_left_aside(table):
    path = table("1,0", "0,1", header="image,No Finding,Edema")
    data = load_dataset(path, no_label=["No Finding"])
    assert (data.names, data.targets.tolist()) == (("Edema",), [[0], [1]])


@pytest.mark.parametrize(
    ("above", "targets"), [(0.0, [[1, 1], [1, 0], [0, 1]]), (0.5, [[1, 0], [1, 0], [0, 1]])]
)
def test_names_with_scores_become_names_above_a_number(table, above, targets):
    data = load_dataset(table("sea 0.93;sun 0.40", "sea 0.51", "sun 0.88"), present_above=above)
    assert data.names == ("sea", "sun")
    assert data.targets.tolist() == targets


def test_percent_and_counts_are_numbers_too(table):
    data = load_dataset(table("sea: 93 %;sun: 7 %", "sea: 51 %"), present_above=0.5)
    assert data.targets.tolist() == [[1, 0], [1, 0]]
    data = load_dataset(table("2 boats;0 trees", "1 boats;3 trees"), present_above=0)
    assert (data.names, data.targets.tolist()) == (("boats", "trees"), [[1, 0], [1, 1]])


def test_names_without_scores_stay_as_they_are(table):
    assert load_dataset(table("boeing 747;sea", "sun"), present_above=0).names == (
        *("boeing 747", "sea", "sun"),
    )
