"""A folder for each label: what is a label, what is one image, what is left out."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from photos import photo


def put(folder, **contents):
    """Write ``<label>/<name>.jpg`` for the letters of each keyword; equal letters, equal files."""
    for label, names in contents.items():
        for name in names:
            photo(folder / label / f"{name}.jpg")
    return folder


def labels(data):
    return {record.name: record.labels for record in data.records}


def test_equal_files_in_several_folders_are_one_image_with_several_labels(tmp_path):
    data = load_dataset(put(tmp_path, sea="ab", sun="bc"))
    assert data.reader == "label_folders"
    assert labels(data) == {
        "sea/a.jpg": ("sea",),
        "sea/b.jpg": ("sea", "sun"),
        "sun/c.jpg": ("sun",),
    }
    assert "equal files are one image (1 image in several folders)" in data.reason


def test_files_of_one_name_and_size_that_differ_are_two_images(tmp_path):
    photo(tmp_path / "sea" / "a.bmp")
    photo(tmp_path / "sun" / "b.bmp").rename(tmp_path / "sun" / "a.bmp")
    data = load_dataset(tmp_path)
    assert len({path.stat().st_size for path in data.paths}) == 1 < len(data)
    assert "every image has one label, and lacks all others" in data.reason


@pytest.mark.parametrize("mark", ["+", ",", "&", ", "])
def test_combined_names_are_taken_apart_where_their_parts_recur(tmp_path, mark):
    put(tmp_path, **{"sea": "a", f"sea{mark}sun": "b", "sun": "c"})
    data = load_dataset(tmp_path)
    assert data.names == ("sea", "sun")
    assert f"taken apart at {mark.strip()!r} (sea{mark}sun)" in data.reason


def test_a_name_whose_parts_do_not_recur_stays_whole_and_is_said(tmp_path):
    put(tmp_path, **{"R&B": "a", "jazz": "b"})
    data = load_dataset(tmp_path)
    assert data.names == ("R&B", "jazz")
    assert "taken whole: R&B (delimiter= takes names apart)" in data.reason
    assert load_dataset(tmp_path, delimiter="&").names == ("B", "R", "jazz")


def test_train_and_test_above_the_labels_are_the_splits(tmp_path):
    put(tmp_path / "train", sea="ab", sun="c")
    put(tmp_path / "valid", sea="d", sun="e")
    data = load_dataset(tmp_path)
    assert (data.names, data.splits) == (("sea", "sun"), {"train": 3, "val": 2})


@pytest.mark.parametrize("above", ["train", "images", "data/images"])
def test_one_folder_above_all_labels_is_no_label(tmp_path, above):
    put(tmp_path / above, sea="a", sun="b")
    (tmp_path / "notes.md").write_text("about these images")
    assert load_dataset(tmp_path).names == ("sea", "sun")


def test_images_in_no_folder_of_a_label_are_left_out_and_counted(tmp_path):
    put(tmp_path, sea="ab", sun="c", unlabelled="d")
    photo(tmp_path / "e.jpg")
    data = load_dataset(tmp_path)
    assert len(data) == 3
    assert "left out: 2 images in no folder of a label" in data.reason


@pytest.mark.parametrize(
    "folders", [("2019", "2020"), ("100CANON", "101CANON"), ("images", "masks"), ("a", "thumbs")]
)
def test_folders_that_tell_when_or_what_files_are_no_labels_unless_asked_for(tmp_path, folders):
    put(tmp_path, **{folders[0]: "a", folders[1]: "b"})
    with pytest.raises(InputError, match=r"say so \(reader=label_folders\)"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, reader="label_folders").names == tuple(sorted(folders))


def test_folders_in_folders_are_asked_about(tmp_path):
    put(tmp_path / "sea", summer="a", winter="b")
    put(tmp_path / "land", summer="c")
    with pytest.raises(InputError, match="no tags"):
        load_dataset(tmp_path)
    with pytest.raises(InputError, match=r"\(land/summer/c\.jpg\); .*variant=last"):
        load_dataset(tmp_path, reader="label_folders")
    read = {
        variant: load_dataset(tmp_path, reader="label_folders", variant=variant).records[0].labels
        for variant in ("first", "last", "every")
    }
    assert read == {"first": ("land",), "last": ("summer",), "every": ("land", "summer")}


def test_a_flat_folder_is_refused_with_what_to_do(tmp_path):
    photo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="put each image into a folder that is called as its"):
        load_dataset(tmp_path, reader="label_folders")


@pytest.mark.parametrize(
    "name", ["Unsorted", "_unsorted", "unsortiert", "to do", "non trié", "未分类"]
)
def test_a_folder_of_what_is_still_to_be_sorted_is_no_label_and_is_said(tmp_path, name):
    data = load_dataset(put(tmp_path, sea="ab", sun="bc", **{name: "de"}))
    assert data.names == ("sea", "sun")
    assert f"left out: 2 images in no folder of a label ({name})" in data.reason
    assert "its images are in 2 folders" in data.reason


@pytest.mark.parametrize(
    "name", ["New folder", "Neuer Ordner (2)", "Nouveau dossier", "tmp", "train set", "Testing 2"]
)
def test_a_folder_that_is_called_like_none_of_labels_is_asked_about(cli, tmp_path, name):
    put(tmp_path, sea="ab", sun="bc", **{name: "de"})
    checked = cli("check", tmp_path)
    assert checked.code == 1
    assert "1 folder was taken for a label" in checked.out
    assert (
        f"--no-label '{name}'" in " ".join(checked.out.split())
        or f"--no-label {name}" in checked.out
    )
    assert cli("check", tmp_path, "--no-label", name).code == 0
    assert cli("check", tmp_path, "--force").code == 0


@pytest.mark.parametrize("name", ["misc", "Other", "Sonstiges"])
def test_a_folder_of_the_rest_is_a_label_with_a_warning(cli, tmp_path, name):
    checked = cli("check", put(tmp_path, sea="ab", sun="bc", **{name: "de"}))
    assert checked.code == 0
    assert "folder of what is left is a label" in " ".join(checked.out.split())


def test_labels_that_only_resemble_such_names_are_labels(cli, tmp_path):
    checked = cli("check", put(tmp_path, trainers="ab", otter="bc", testament="de", sorted="f"))
    assert "folder" not in checked.out
