"""CelebA and DeepFashion: -1 is absent, the partition is the split, nothing is guessed."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from photos import photo

CELEBA = "2\nSmiling Male \n000001.jpg -1  1\n000002.jpg  1 -1\n"
PARTITION = "000001.jpg 0\n000002.jpg 2\n"
CLOTHES = "2\nattribute_name attribute_type\nabstract chevron   1\nsea   3\n"


@pytest.fixture
def celeba(tmp_path):
    for name in ("000001", "000002"):
        photo(tmp_path / "img_align_celeba" / f"{name}.jpg")
    (tmp_path / "list_attr_celeba.txt").write_text(CELEBA)
    return tmp_path


@pytest.mark.parametrize("data", ["list_attr_celeba.txt", "."])
def test_minus_one_is_absent_and_the_partition_is_the_split(celeba, data):
    (celeba / "list_eval_partition.txt").write_text(PARTITION)
    data = load_dataset(celeba / data)
    assert (data.reader, data.names) == ("attribute_list", ("Smiling", "Male"))
    assert data.targets.tolist() == [[0, 1], [1, 0]]
    assert data.splits == {"train": 1, "test": 1}
    assert all(path.is_file() for path in data.paths)
    assert "-1 is absent; splits are from list_eval_partition.txt" in data.reason


def test_minus_one_is_unknown_where_the_user_says_so(celeba):
    data = load_dataset(celeba, minus_one="unknown")
    assert data.targets.tolist() == [[-1, 1], [1, -1]]


def test_the_official_folders_of_celeba_are_known(celeba):
    (celeba / "Anno").mkdir()
    (celeba / "Eval").mkdir()
    (celeba / "Img").mkdir()
    (celeba / "list_attr_celeba.txt").rename(celeba / "Anno" / "list_attr_celeba.txt")
    (celeba / "img_align_celeba").rename(celeba / "Img" / "img_align_celeba")
    (celeba / "Eval" / "list_eval_partition.txt").write_text(PARTITION)
    data = load_dataset(celeba)
    assert data.splits == {"train": 1, "test": 1}
    assert all(path.is_file() for path in data.paths)


@pytest.mark.parametrize("header", ["Smiling Male", "image_id Smiling Male"])
def test_the_count_may_be_missing_and_the_header_may_name_the_images(celeba, header):
    (celeba / "mine.txt").write_text(f"{header}\n000001.jpg -1 1\n")
    assert load_dataset(celeba / "mine.txt").names == ("Smiling", "Male")


def test_the_names_of_deepfashion_are_from_their_own_list(tmp_path):
    photo(tmp_path / "img" / "1.jpg")
    listed = tmp_path / "list_attr_img.txt"
    listed.write_text("1\nimage_name  attribute_labels\nimg/1.jpg     -1  1\n")
    with pytest.raises(InputError, match=r"no names; put list_attr_cloth\.txt beside it"):
        load_dataset(listed)
    (tmp_path / "list_attr_cloth.txt").write_text(CLOTHES)
    (tmp_path / "list_eval_partition.txt").write_text(
        "1\nimage_name  evaluation_status\nimg/1.jpg    val\n"
    )
    data = load_dataset(listed)
    assert (data.names, data.records[0].labels) == (("abstract chevron", "sea"), ("sea",))
    assert data.splits == {"val": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CELEBA.replace("2\n", "3\n", 1), "announces 3 images in its first line, but has 2"),
        (CELEBA.replace("1 -1\n", "1\n"), "line 4: has 1 value for 2 attributes"),
        (CELEBA.replace("1 -1\n", "1 x\n"), "line 4: expected an image and 1 or -1"),
        (CELEBA.replace("1 -1\n", "1 0\n"), "holds 0 besides 1 and -1; say what -1 means"),
        (CELEBA.replace("Male", "Smiling"), "has a name twice"),
    ],
)
def test_wrong_content_is_refused_with_its_line(celeba, content, message):
    (celeba / "list_attr_celeba.txt").write_text(content)
    with pytest.raises(InputError, match=message):
        load_dataset(celeba / "list_attr_celeba.txt")


@pytest.mark.parametrize(
    ("partition", "message"),
    [
        ("000001.jpg 0\n", "lacks 000002.jpg; complete it, or move it away"),
        (PARTITION.replace("2\n", "3\n"), "line 2: unknown split '3'"),
    ],
)
def test_a_partition_that_does_not_fit_is_refused(celeba, partition, message):
    (celeba / "list_eval_partition.txt").write_text(partition)
    with pytest.raises(InputError, match=message):
        load_dataset(celeba)


def test_only_the_whole_of_celeba_is_compared_with_its_published_counts(celeba):
    assert load_dataset(celeba).published == ""
    names = " ".join(f"a{number}" for number in range(40))
    (celeba / "list_attr_celeba.txt").write_text(f"1\n{names}\n000001.jpg{' 1' * 40}\n")
    assert load_dataset(celeba).published == "CelebA"


def test_the_partition_and_the_persons_are_no_labels(celeba):
    (celeba / "list_attr_celeba.txt").unlink()
    (celeba / "list_eval_partition.txt").write_text(PARTITION)
    (celeba / "identity_CelebA.txt").write_text("000001.jpg 7\n000002.jpg 9\n")
    with pytest.raises(InputError, match="no tags"):
        load_dataset(celeba)


def test_of_two_lists_in_a_folder_one_is_asked_for(celeba):
    (celeba / "Anno").mkdir()
    (celeba / "Anno" / "list_attr_celeba.txt").write_text(CELEBA)
    with pytest.raises(InputError, match=r"holds several lists; give one list \(.*Anno"):
        load_dataset(celeba)
